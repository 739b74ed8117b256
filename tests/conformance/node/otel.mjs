// Node's side of a trace, by its package bullmq-otel: `node otel.mjs <package> <redis port> <db> <queue> <jobs>`.
//
// jobs = 0: adds jobs within a span; else works on so many. Prints its spans as one JSON array, then ends.
import { SpanKind, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { BullMQOtel } from 'bullmq-otel';

const [packageName, port, db, name, jobs] = process.argv.slice(2);
const { Queue, Worker } = await import(packageName);
const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
const telemetry = new BullMQOtel('node');
const connection = { host: '127.0.0.1', port: Number(port), db: Number(db), maxRetriesPerRequest: null };

if (jobs === '0') {
  const queue = new Queue(name, { connection, telemetry });
  await trace.getTracer('node').startActiveSpan('request', async (request) => {
    await queue.add('single', {});
    await queue.addBulk([{ name: 'bulk', data: {} }]);
    await queue.add('apart', {}, { telemetry: { omitContext: true } });
    request.end();
  });
  await queue.close();
} else {
  let left = Number(jobs);
  const worker = new Worker(
    name,
    async (job) => {
      if (job.name === 'fail') throw new Error('broken');
    },
    { connection, telemetry },
  );
  await new Promise((resolve) => {
    const ended = () => --left === 0 && resolve();
    worker.on('completed', ended);
    worker.on('failed', ended);
  });
  await worker.close();
}

const spans = exporter.getFinishedSpans().map((span) => ({
  name: span.name,
  kind: SpanKind[span.kind],
  trace: span.spanContext().traceId,
  id: span.spanContext().spanId,
  parent: span.parentSpanContext?.spanId ?? null,
  job: span.attributes['bullmq.job.id'] ?? null,
}));
console.log(JSON.stringify(spans));
process.exit(0);
