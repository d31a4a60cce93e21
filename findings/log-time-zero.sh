#!/bin/sh
# Guess: a log record that is emitted without a timestamp has timeUnixNano 0 in OTLP, "unknown", beside the time at which
#        it was observed; and one with `timestamp: 0`, as a line without a time is read from OTLP, likewise.
# Seen:  @opentelemetry/sdk-logs 0.223.1 sets the time of the call where there is none, so that a guess looks measured; and
#        takes 0 as a time since the process began: such records are from the start of the process, before all others.
# So:    of records handed on, compare the two times to find those whose time is made up; never hand on a 0.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/api-logs@0.223.0 \
    @opentelemetry/sdk-logs@0.223.1 @opentelemetry/otlp-transformer@0.223.1

cat >run.cjs <<'END'
const { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } = require('@opentelemetry/sdk-logs');
const { JsonLogsSerializer } = require('@opentelemetry/otlp-transformer');
const exporter = new InMemoryLogRecordExporter();
const logger = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter })] }).getLogger('l');
setTimeout(() => {
  const now = Date.now();
  logger.emit({ body: 'none' });
  logger.emit({ body: 'zero', timestamp: 0 });
  logger.emit({ body: 'an hour ago', timestamp: now - 3_600_000 });
  const json = JSON.parse(Buffer.from(JsonLogsSerializer.serializeRequest(exporter.getFinishedLogRecords())).toString());
  for (const { body, timeUnixNano } of json.resourceLogs[0].scopeLogs[0].logRecords) {
    const time = Number(timeUnixNano) / 1e6;
    const near = (other) => Math.abs(time - other) < 100;
    console.log(body.stringValue, '=>', near(now) ? 'now' : near(performance.timeOrigin) ? 'start of the process' : near(now - 3_600_000) ? 'as it was' : timeUnixNano);
  }
}, 500);
END
cat >expected <<'END'
none => now
zero => start of the process
an hour ago => as it was
END
node run.cjs | diff -u expected -
echo "as seen before: no record without a time"
