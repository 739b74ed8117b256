// Next runs by the cron parsers of both BullMQ generations: JSON on stdin and stdout, for many patterns at once.
//
// In   {"runs": n, "cases": [[pattern, zone, base ms] ...]}
// Out  for each case {"4": [ms ...] or "message", "5": the same}, by the parser's major version
//
// Each run is computed by a new parser from the run before, as BullMQ does: a parser remembers changes of the clock.
import { readFileSync } from 'node:fs';
import parser4 from 'cron-parser4';
import { CronExpressionParser } from 'cron-parser5';

const parsers = {
  4: (pattern, options) => parser4.parseExpression(pattern, options),
  5: (pattern, options) => CronExpressionParser.parse(pattern, options),
};

function runsOf(parse, pattern, tz, base, count) {
  const runs = [];
  try {
    for (let last = base; runs.length < count; runs.push(last)) {
      last = parse(pattern, { tz, currentDate: new Date(last) }).next().getTime();
    }
  } catch (error) {
    return error.message;
  }
  return runs;
}

const { runs, cases } = JSON.parse(readFileSync(0, 'utf8'));
const answers = cases.map(([pattern, tz, base]) =>
  Object.fromEntries(
    Object.entries(parsers).map(([version, parse]) => [version, runsOf(parse, pattern, tz, base, runs)]),
  ),
);
process.stdout.write(JSON.stringify(answers));
