// Node BullMQ as a peer, set up as its documentation says.
import { createRequire } from 'node:module'

const { BENCH_NODE_MODULES, BENCH_PORT, BENCH_SLOTS, BENCH_JOBS } = process.env
const { Worker } = createRequire(`${BENCH_NODE_MODULES}/`)('bullmq5')

const jobs = Number(BENCH_JOBS)
const warm = Math.floor(jobs / 10)
let seen = 0
let started
let cpu

const worker = new Worker(
  'noop',
  async () => {
    seen += 1
    if (seen === warm) {
      started = process.hrtime.bigint()
      cpu = process.cpuUsage()
    }
    if (seen === jobs) {
      const seconds = Number(process.hrtime.bigint() - started) / 1e9
      const used = process.cpuUsage(cpu)
      const counted = jobs - warm
      const result = {
        rate: counted / seconds,
        cpu: (used.user + used.system) / 1e6 / counted * 1000,
        rss: process.resourceUsage().maxRSS / 1024,
      }
      process.stdout.write(`${JSON.stringify(result)}\n`)
      setTimeout(() => worker.close().then(() => process.exit(0)), 50)
    }
  },
  { connection: { host: '127.0.0.1', port: Number(BENCH_PORT) }, concurrency: Number(BENCH_SLOTS) },
)
