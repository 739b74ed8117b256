// One BullMQ generation behind JSON lines: `node driver.mjs <package> <redis port> <db>`.
//
// Request  {"id", "op", "now", "args"}   now: epoch ms the clock is frozen at, or null for the machine's clock
// Reply    {"id", "ok"} or {"id", "error": {"name", "message", "code"}}
//
// Ends when stdin closes. Only BullMQ's public surface is used, except for three members its typings mark as private
// and for which no public way exists without a running worker: blockUntil, limitUntil, moveStalledJobsToWait.
import { appendFileSync } from 'node:fs';
import readline from 'node:readline';

const [packageName, port, db] = process.argv.slice(2);

// The clock has to be replaced before BullMQ is loaded: a module could hold on to Date.now.
const MachineDate = Date;
let frozenAt = null;
globalThis.Date = class extends MachineDate {
  constructor(...args) {
    args.length === 0 ? super(globalThis.Date.now()) : super(...args);
  }
  static now() {
    return frozenAt ?? MachineDate.now();
  }
};

// Jitter is the only chance in what is compared; its middle stands for it while the clock is injected.
const machineRandom = Math.random;
Math.random = () => (frozenAt === null ? machineRandom() : 0.5);

const {
  DelayedError,
  FlowProducer,
  Job,
  Queue,
  QueueEvents,
  RateLimitError,
  UnrecoverableError,
  WaitingError,
  Worker,
} = await import(packageName);

const connection = { host: '127.0.0.1', port: Number(port), db: Number(db), maxRetriesPerRequest: null };

/** What one scenario has open in the queue it is at; `turn_to` goes to another queue, `open` begins anew. */
let scene = null;
let scenes = new Map();
let flows = null;

async function stage(prefix, name) {
  // Without skipMetasUpdate the constructor would fill `meta` by itself, and what scripts do lazily would not show.
  const queue = ignoreConnectionNoise(new Queue(name, { connection, prefix, skipMetasUpdate: true }));
  await queue.waitUntilReady();
  return {
    prefix,
    queue,
    workers: new Map(),
    running: new Map(),
    held: new Map(),
    owner: new Map(),
    events: null,
  };
}

const shape = ({ job, children = [] }) => ({ id: job.id, children: children.map(shape) });

function ignoreConnectionNoise(emitter) {
  // Without a listener an 'error' event would end the process; op failures are reported by their own promises.
  emitter.on('error', error => process.stderr.write(`${packageName}: ${error.stack}\n`));
  return emitter;
}

const undefinedIfAbsent = (args, key) => (key in args ? args[key] : undefined);

function view(job) {
  if (!job) return null;
  return {
    id: job.id,
    name: job.name,
    data: job.data ?? null,
    timestamp: job.timestamp,
    delay: job.delay,
    priority: job.priority,
    processedOn: job.processedOn ?? null,
    attemptsStarted: job.attemptsStarted ?? 0,
    attemptsMade: job.attemptsMade ?? 0,
    stalledCounter: job.stalledCounter ?? 0,
    deferredFailure: job.deferredFailure ?? null,
  };
}

function schedulerView(scheduler) {
  if (!scheduler) return null;
  // `iterationCount` is left out by BullMQ in lists.
  const { key, name, next, every, pattern, tz, limit, startDate, endDate, offset, template } = scheduler;
  return { key, name, next, every, pattern, tz, limit, startDate, endDate, offset, template };
}

/** `backoffs` gives for each custom strategy the ms of the first retry; the nth waits n times as long. */
function withStrategies({ backoffs, ...options }) {
  if (!backoffs) return options;
  const backoffStrategy = (failures, type) => (backoffs[type] < 0 ? -1 : backoffs[type] * failures);
  return { ...options, settings: { backoffStrategy } };
}

/** A worker that never runs by itself; one per set of options, so that its limits and names are those of the call. */
async function handWorker(options = {}) {
  const key = JSON.stringify(options);
  if (!scene.workers.has(key)) {
    const worker = new Worker(scene.queue.name, async () => undefined, {
      connection,
      prefix: scene.prefix,
      autorun: false,
      ...withStrategies(options),
    });
    scene.workers.set(key, ignoreConnectionNoise(worker));
    await worker.waitUntilReady();
  }
  return scene.workers.get(key);
}

async function heldJob(id) {
  const job = scene.held.get(id) ?? (await Job.fromId(scene.queue, id));
  if (!job) throw new Error(`the scenario has never held job ${id}, and Redis does not know it`);
  return job;
}

function hold(job, worker, token) {
  if (job) {
    job.token = token;
    scene.held.set(job.id, job);
    scene.owner.set(job.id, worker);
  }
  return job;
}

function fetched(worker, job) {
  const now = Date.now();
  return {
    job: view(job),
    due: job ? 0 : worker.blockUntil,
    limited: job ? 0 : Math.max(0, worker.limitUntil - now),
  };
}

/** The reply of a finish with fetch-next: [job, id, limit ms, due ms], or nothing. */
function fetchedNext(id, reply, token) {
  const worker = scene.owner.get(id);
  if (!reply || !worker) return { job: null, due: 0, limited: 0 };
  const [json, nextId, limited, due] = reply;
  const job = json && nextId ? hold(Job.fromJSON(worker, json, nextId), worker, token) : null;
  return { job: view(job), due: job ? 0 : due || 0, limited: job ? 0 : limited || 0 };
}

/** A processor that writes each start and end to a file: what ran is counted there, whatever Redis says of it. */
function noting(ledger) {
  return async job => {
    const { label, fails, reports } = job.data;
    const attempt = job.attemptsMade + 1;
    appendFileSync(ledger, `start ${label} ${attempt}\n`);
    if (reports) {
      await job.updateProgress(50);
      await job.log('half way');
    }
    appendFileSync(ledger, `end ${label} ${attempt}\n`);
    if (fails && attempt === 1) throw new Error('the first try fails');
    return label;
  };
}

function failure({ reason, unrecoverable = false }) {
  return unrecoverable ? new UnrecoverableError(reason) : new Error(reason);
}

const operations = {
  async open({ prefix, queue }) {
    await operations.close();
    scene = await stage(prefix, queue);
    scenes.set(queue, scene);
    return null;
  },
  async turn_to({ queue }) {
    if (!scenes.has(queue)) scenes.set(queue, await stage(scene.prefix, queue));
    scene = scenes.get(queue);
    return null;
  },
  async close() {
    for (const { queue, workers, running, events } of scenes.values()) {
      await Promise.all([...running.values()].map(worker => worker.close()));
      await Promise.all([...workers.values()].map(worker => worker.close(true)));
      await events?.close();
      await queue.close();
    }
    await flows?.close();
    flows = null;
    scenes = new Map();
    scene = null;
    return null;
  },

  // Adding
  async add({ name, opts, ...rest }) {
    return (await scene.queue.add(name, undefinedIfAbsent(rest, 'data'), opts)).id;
  },
  async add_bulk({ jobs }) {
    return (await scene.queue.addBulk(jobs)).map(job => job.id);
  },
  async add_flow({ tree }) {
    flows ??= ignoreConnectionNoise(new FlowProducer({ connection, prefix: scene.prefix }));
    return shape(await flows.add(tree));
  },

  // Deduplication
  async dedup_owner({ dedup_id: id }) {
    return scene.queue.getDeduplicationJobId(id);
  },
  async remove_dedup_key({ dedup_id: id }) {
    return (await scene.queue.removeDeduplicationKey(id)) > 0;
  },
  async remove_own_dedup_key({ job_id: id }) {
    return (await (await Job.fromId(scene.queue, id))?.removeDeduplicationKey()) ?? false;
  },

  // A worker's calls, one by one. BullMQ 5 does not hand out a job with a deferred failure: getNextJob fails it and
  // takes the one after it. What such a job meets is compared by `process`.
  async fetch({ token, worker: options }) {
    const worker = await handWorker(options);
    worker.limitUntil = 0;
    worker.blockUntil = 0;
    return fetched(worker, hold(await worker.getNextJob(token, { block: false }), worker, token));
  },
  async process({ token, worker: options, outcome }) {
    const worker = await handWorker(options);
    worker.limitUntil = 0;
    worker.blockUntil = 0;
    const job = hold(await worker.getNextJob(token, { block: false }), worker, token);
    // BullMQ 5 fails a job with a deferred failure inside getNextJob and returns nothing, 6 does it in processJob.
    if (!job) return { started: false };
    let started = false;
    worker.processFn = async () => {
      started = true;
      if ('delay_until' in outcome) {
        await job.moveToDelayed(outcome.delay_until, token);
        throw new DelayedError();
      }
      if ('requeue' in outcome) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      if ('limit' in outcome) {
        await worker.rateLimit(outcome.limit);
        throw new RateLimitError();
      }
      if ('reason' in outcome) throw failure(outcome);
      return undefinedIfAbsent(outcome, 'value');
    };
    await worker.processJob(job, token, () => false);
    return { started };
  },
  async complete({ job_id: id, token, fetch_next: fetchNext, ...rest }) {
    const job = await heldJob(id);
    const reply = await job.moveToCompleted(undefinedIfAbsent(rest, 'value'), token, fetchNext);
    return fetchNext ? fetchedNext(id, reply, token) : null;
  },
  async fail({ job_id: id, token, fetch_next: fetchNext, ...error }) {
    const reply = await (await heldJob(id)).moveToFailed(failure(error), token, fetchNext);
    return fetchNext ? fetchedNext(id, reply, token) : null;
  },
  /** What one call of ours does at once: the last finish fetches the first of the next jobs. */
  async batch({ finishes, claims, token }) {
    const got = [];
    for (const [index, { job_id: id, ...ending }] of finishes.entries()) {
      const fetchNext = claims > 0 && index === finishes.length - 1;
      const finish = 'reason' in ending ? operations.fail : operations.complete;
      got.push(await finish({ job_id: id, token, fetch_next: fetchNext, ...ending }));
    }
    const last = got.at(-1);
    const ids = last?.job ? [last.job.id] : [];
    while (ids.length > 0 && ids.length < claims) {
      const { job } = await operations.fetch({ token, worker: {} });
      if (!job) break;
      ids.push(job.id);
    }
    return ids;
  },
  async delay({ job_id: id, token, until }) {
    await (await heldJob(id)).moveToDelayed(until, token);
    return null;
  },
  async wait_for_children({ job_id: id, token, child }) {
    return (await heldJob(id)).moveToWaitingChildren(token, child ? { child } : undefined);
  },
  async release({ job_id: id, token }) {
    await (await heldJob(id)).moveToWait(token);
    return null;
  },
  async extend({ job_id: id, token, duration }) {
    return (await heldJob(id)).extendLock(token, duration);
  },
  async stalled_check({ worker: options }) {
    const worker = await handWorker(options);
    const ids = [];
    const note = id => ids.push(id);
    worker.on('stalled', note);
    try {
      await worker.moveStalledJobsToWait();
    } finally {
      worker.off('stalled', note);
    }
    return ids;
  },
  async progress({ job_id: id, value }) {
    await (await heldJob(id)).updateProgress(value);
    return null;
  },
  async log({ job_id: id, row, keep }) {
    return Job.addJobLog(scene.queue, id, row, keep ?? undefined);
  },
  async clear_logs({ job_id: id, keep }) {
    await (await heldJob(id)).clearLogs(keep ?? undefined);
    return null;
  },
  async update_data({ job_id: id, data }) {
    await (await heldJob(id)).updateData(data);
    return null;
  },

  // Operations on jobs and queues
  async promote({ job_id: id }) {
    await (await heldJob(id)).promote();
    return null;
  },
  async change_delay({ job_id: id, delay }) {
    await (await heldJob(id)).changeDelay(delay);
    return null;
  },
  async change_priority({ job_id: id, priority, lifo }) {
    await (await heldJob(id)).changePriority({ priority, lifo });
    return null;
  },
  async retry({ job_id: id, state, options }) {
    await (await heldJob(id)).retry(state, options);
    return null;
  },
  async remove({ job_id: id, children: removeChildren = true }) {
    return scene.queue.remove(id, { removeChildren });
  },
  async remove_unprocessed({ job_id: id }) {
    await (await heldJob(id)).removeUnprocessedChildren();
    return null;
  },
  async leave_parent({ job_id: id }) {
    return (await heldJob(id)).removeChildDependency();
  },
  async pause() {
    await scene.queue.pause();
    return null;
  },
  async resume() {
    await scene.queue.resume();
    return null;
  },
  async set_concurrency({ concurrency }) {
    await scene.queue.setGlobalConcurrency(concurrency);
    return null;
  },
  async set_rate_limit({ max, duration }) {
    await scene.queue.setGlobalRateLimit(max, duration);
    return null;
  },
  async remove_concurrency() {
    await scene.queue.removeGlobalConcurrency();
    return null;
  },
  async remove_rate_limit() {
    await scene.queue.removeGlobalRateLimit();
    return null;
  },
  async remove_rate_limit_key() {
    await scene.queue.removeRateLimitKey();
    return null;
  },
  async rate_limit({ duration }) {
    await scene.queue.rateLimit(duration);
    return null;
  },
  async clean({ grace, limit, state }) {
    return (await scene.queue.clean(grace, limit, state)).sort();
  },
  async drain({ delayed }) {
    await scene.queue.drain(delayed);
    return null;
  },
  async obliterate({ force }) {
    await scene.queue.obliterate({ force });
    return null;
  },
  async retry_jobs({ state, count }) {
    await scene.queue.retryJobs({ state, count });
    return null;
  },
  async promote_jobs({ count }) {
    await scene.queue.promoteJobs({ count });
    return null;
  },

  // Job schedulers. Their next iterations are planned by getNextJob, and so by `fetch` and `process`.
  async upsert_scheduler({ scheduler_id: id, repeat, template }) {
    const job = await scene.queue.upsertJobScheduler(id, repeat, template ?? undefined);
    return job ? { id: job.id, delay: job.delay } : null;
  },
  async remove_scheduler({ scheduler_id: id }) {
    return scene.queue.removeJobScheduler(id);
  },
  async scheduler({ scheduler_id: id }) {
    return schedulerView(await scene.queue.getJobScheduler(id));
  },
  async schedulers({ start, end, asc }) {
    const found = await scene.queue.getJobSchedulers(start, end, asc);
    return { count: await scene.queue.getJobSchedulersCount(), schedulers: found.map(schedulerView) };
  },

  // Questions
  async priorities({ priorities }) {
    return scene.queue.getCountsPerPriority(priorities);
  },
  async rate_limit_ttl({ max }) {
    return { limited: await scene.queue.getRateLimitTtl(max ?? undefined) };
  },
  async page({ state, start, end, asc }) {
    return (await scene.queue.getJobs([state], start, end, asc)).map(job => job.id);
  },
  async settings() {
    const limit = await scene.queue.getGlobalRateLimit();
    return {
      paused: await scene.queue.isPaused(),
      concurrency: await scene.queue.getGlobalConcurrency(),
      max: limit?.max ?? null,
      duration: limit?.duration ?? null,
    };
  },
  async finished({ job_id: id }) {
    const job = await Job.fromId(scene.queue, id);
    const state = await job.getState();
    const code = { completed: 1, failed: 2 }[state] ?? 0;
    const value = code === 1 ? JSON.stringify(job.returnvalue) : code === 2 ? job.failedReason : '';
    return [code, value];
  },
  async state({ job_id: id }) {
    return scene.queue.getJobState(id);
  },
  async counts() {
    return scene.queue.getJobCounts();
  },
  async job({ job_id: id }) {
    return view(await scene.queue.getJob(id));
  },
  async children({ job_id: id }) {
    const job = await Job.fromId(scene.queue, id);
    const { unprocessed = [], failed = [] } = await job.getDependencies();
    return {
      values: await job.getChildrenValues(),
      ignored: await job.getIgnoredChildrenFailures(),
      unprocessed: unprocessed.sort(),
      failed: failed.sort(),
      counts: await job.getDependenciesCount({ processed: true, unprocessed: true, ignored: true, failed: true }),
    };
  },
  async logs({ job_id: id }) {
    return scene.queue.getJobLogs(id);
  },
  async workers() {
    return (await scene.queue.getWorkers()).map(({ name, rawname }) => ({ name, rawname: rawname ?? null }));
  },

  // Real workers and listeners
  async start_worker({ key, options, ledger }) {
    // Each job says in its data how it ends: {"throw": reason}, {"return": value}, or nothing at all; {"ms"} after which.
    const processor = async job => {
      if (job.data?.ms) await new Promise(resolve => setTimeout(resolve, job.data.ms));
      if (job.data && 'throw' in job.data) throw new Error(job.data.throw);
      return job.data?.return;
    };
    const worker = new Worker(scene.queue.name, ledger ? noting(ledger) : processor, { connection, prefix: scene.prefix, ...options });
    scene.running.set(key, ignoreConnectionNoise(worker));
    await worker.waitUntilReady();
    return null;
  },
  async stop_worker({ key }) {
    await scene.running.get(key).close();
    scene.running.delete(key);
    return null;
  },
  async listen() {
    // From the beginning: "ready" does not yet mean that it reads, and what happens before would be missed.
    const options = { connection, prefix: scene.prefix, lastEventId: '0-0' };
    scene.events = ignoreConnectionNoise(new QueueEvents(scene.queue.name, options));
    scene.heard = [];
    for (const event of ['progress', 'completed', 'failed', 'delayed', 'waiting', 'active', 'added', 'stalled']) {
      scene.events.on(event, fields => scene.heard.push({ event, ...fields }));
    }
    await scene.events.waitUntilReady();
    return null;
  },
  async heard() {
    return scene.heard;
  },
  async wait_until_finished({ job_id: id, ttl }) {
    const job = await Job.fromId(scene.queue, id);
    if (!job) throw new Error(`job ${id} does not exist`);
    try {
      const value = await job.waitUntilFinished(scene.events, ttl);
      return { resolved: value === undefined ? { undefined: true } : value };
    } catch (error) {
      return { rejected: error.message };
    }
  },
};

const describe = error => ({ name: error?.name, message: String(error?.message ?? error), code: error?.code ?? null });

async function answer({ id, op, now, args }) {
  frozenAt = now;
  try {
    if (!(op in operations)) throw new Error(`the driver has no operation ${op}`);
    return { id, ok: (await operations[op](args)) ?? null };
  } catch (error) {
    return { id, error: describe(error) };
  }
}

const input = readline.createInterface({ input: process.stdin });
input.on('line', line => {
  answer(JSON.parse(line)).then(reply => process.stdout.write(`${JSON.stringify(reply)}\n`));
});
input.on('close', () => process.exit(0));
process.stdout.write(`${JSON.stringify({ ready: packageName })}\n`);
