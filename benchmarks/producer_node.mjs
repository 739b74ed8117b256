// Node BullMQ as a peer that adds jobs, set up as its documentation says.
import { createRequire } from 'node:module'

const { BENCH_NODE_MODULES, BENCH_PORT, BENCH_MODE, BENCH_JOBS } = process.env
const { Queue } = createRequire(`${BENCH_NODE_MODULES}/`)('bullmq5')

const queue = new Queue('noop', { connection: { host: '127.0.0.1', port: Number(BENCH_PORT) } })

async function one(jobs) {
  for (let n = 0; n < jobs; n++) await queue.add('noop', { n })
}

async function produce(jobs) {
  if (BENCH_MODE === 'one') return one(jobs)
  if (BENCH_MODE === 'hundred') return Promise.all(Array.from({ length: 100 }, () => one(jobs / 100)))
  for (let start = 0; start < jobs; start += 1000) {
    await queue.addBulk(Array.from({ length: 1000 }, (_, n) => ({ name: 'noop', data: { n: start + n } })))
  }
}

const jobs = Number(BENCH_JOBS)
await produce(1000)
const started = process.hrtime.bigint()
const before = process.cpuUsage()
await produce(jobs)
const seconds = Number(process.hrtime.bigint() - started) / 1e9
const used = process.cpuUsage(before)
const result = { rate: jobs / seconds, cpu: (used.user + used.system) / 1e6 / jobs * 1000 }
process.stdout.write(`${JSON.stringify(result)}\n`)
await queue.close()
