// Adds jobs to a queue with Node's BullMQ, as any Node program would.
// usage: REDIS_URL=redis://… node add.mjs --queue video-generation --count 300 [--name generate] [--attempts 4] [--seconds 2] [--delay MS] [--prefix bull]
// Prints one line of JSON a job: {"id", "addedAt"} (epoch ms, this program's clock).
import { parseArgs } from 'node:util'
import { Queue } from 'bullmq'

const { values } = parseArgs({
  options: {
    queue: { type: 'string', default: 'video-generation' },
    prefix: { type: 'string', default: 'bull' },
    name: { type: 'string', default: 'generate' },
    count: { type: 'string', default: '1' },
    attempts: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '2' }, // how long a job works, on average
    delay: { type: 'string', default: '0' },
    chunk: { type: 'string', default: '100' }, // jobs sent at a time
  },
})
const number = (key) => {
  const value = Number(values[key])
  if (!(value >= 0)) {
    console.error(`--${key}: "${values[key]}" is no number ≥ 0`)
    process.exit(2)
  }
  return value
}
const url = process.env.REDIS_URL ?? ''
if (!URL.canParse(url)) {
  // The value is not shown: it may hold a password.
  console.error('REDIS_URL is not set or is no URL: say which Redis the queue is in, for example redis://localhost:6379')
  process.exit(2)
}
const { hostname, port, username, password, pathname } = new URL(url)
const connection = {
  host: hostname,
  port: Number(port || 6379),
  username: decodeURIComponent(username) || undefined,
  password: decodeURIComponent(password) || undefined,
  db: Number(pathname.slice(1) || 0),
}
const [count, chunk, seconds] = [number('count'), number('chunk'), number('seconds')]
const opts = {
  attempts: number('attempts'),
  backoff: { type: 'exponential', delay: 1000 },
  delay: number('delay') || undefined,
}

const queue = new Queue(values.queue, { connection, prefix: values.prefix })
for (let first = 0; first < count; first += chunk) {
  const jobs = Array.from({ length: Math.min(chunk, count - first) }, (_, i) => ({
    name: values.name,
    // Half as long to half as long again, the same every time the program runs.
    data: { userId: `user-${(first + i) % 7}`, scriptId: `script-${first + i}`, seconds: seconds * (0.5 + (((first + i) * 37) % 100) / 100) },
    opts,
  }))
  for (const job of await queue.addBulk(jobs)) {
    console.log(JSON.stringify({ id: job.id, addedAt: job.timestamp }))
  }
}
await queue.close()
