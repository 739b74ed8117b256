// Node BullMQ as a peer, set up as its documentation says. What a job is and how it is timed: stopwatch.py.
import { createRequire } from 'node:module'

const { BENCH_NODE_MODULES, BENCH_SLOTS, BENCH_JOBS, BENCH_KIND, REDIS_URL } = process.env
const { Worker } = createRequire(`${BENCH_NODE_MODULES}/`)('bullmq5')

const jobs = Number(BENCH_JOBS)
const warm = Math.max(1, Math.floor(jobs / 10))
const waits = []
let seen = 0
let started
let cpu

const say = () => {
  const seconds = Number(process.hrtime.bigint() - started) / 1e9
  const used = process.cpuUsage(cpu)
  const counted = jobs - warm
  const result = {
    rate: counted / seconds,
    cpu: (used.user + used.system) / 1e6 / counted * 1000,
    rss: process.resourceUsage().maxRSS / 1024,
    waits: waits.slice(warm).sort((a, b) => a - b),
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

const worker = new Worker(
  'bench',
  async (job) => {
    const now = performance.timeOrigin + performance.now()
    if (BENCH_KIND === 'io') await new Promise((resolve) => setTimeout(resolve, 50))
    seen += 1
    if (BENCH_KIND === 'latency') waits.push(now / 1000 - job.data.at)
    if (seen === warm) {
      started = process.hrtime.bigint()
      cpu = process.cpuUsage()
    }
    if (seen === jobs) {
      say()
      setTimeout(() => worker.close().then(() => process.exit(0)), 50)
    }
  },
  { connection: { host: '127.0.0.1', port: Number(new URL(REDIS_URL).port), maxRetriesPerRequest: null }, concurrency: Number(BENCH_SLOTS) },
)
