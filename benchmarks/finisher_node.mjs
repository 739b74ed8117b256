// Node BullMQ as a peer that finishes jobs, each finish fetching the next: its scripts without a worker's loop.
// Asks nothing of Redis but these calls between its two lines of output, `{"begin":…}` and `{"rate":…}`.
import { createRequire } from 'node:module'

const { BENCH_NODE_MODULES, BENCH_PORT, BENCH_JOBS, BENCH_ACTIVE } = process.env
const { Job, Worker } = createRequire(`${BENCH_NODE_MODULES}/`)('bullmq5')

const connection = { host: '127.0.0.1', port: Number(BENCH_PORT) }
const worker = new Worker('noop', async () => undefined, { connection, autorun: false, lockDuration: 600000 })
await worker.waitUntilReady()

// Long jobs, never finished; fetched first, so that they are the oldest.
for (let n = 0; n < Number(BENCH_ACTIVE); n++) await worker.getNextJob('long', { block: false })

let left = Number(BENCH_JOBS)
async function slot(token) {
  let job = await worker.getNextJob(token, { block: false })
  while (job && left > 0) {
    left -= 1
    job.token = token
    const [json, id] = (await job.moveToCompleted(null, token, true)) || []
    job = json && id ? Job.fromJSON(worker, json, id) : null
  }
}

const told = line => new Promise(resolve => process.stdout.write(`${JSON.stringify(line)}\n`, resolve))
const answered = new Promise(resolve => process.stdin.once('data', resolve))
await told({ begin: true })
await answered
const started = process.hrtime.bigint()
await Promise.all(Array.from({ length: 10 }, (_, n) => slot(`slot:${n}`)))
const seconds = Number(process.hrtime.bigint() - started) / 1e9
await told({ rate: Number(BENCH_JOBS) / seconds })
process.exit(0)
