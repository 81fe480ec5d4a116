// graphile-worker: for a backlog its local queue of 500, for latency without one.
import { readFileSync } from 'node:fs';
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { main, url } from './harness.mjs';

const logger = new Logger(() => () => {});
const pgPool = new pg.Pool({ connectionString: url, max: 20 });
const utils = await makeWorkerUtils({ pgPool, logger });
await utils.migrate();

await main({
    version: JSON.parse(readFileSync('node_modules/graphile-worker/package.json')).version,
    add: (data) => utils.addJob('welcome', data),
    bulk: (many) => utils.addJobs(many.map((payload) => ({ identifier: 'welcome', payload }))),
    clear: () => pgPool.query('truncate graphile_worker._private_jobs cascade'),
    work: async (onJob, { latency }) => {
        const worker = latency
            ? { concurrentJobs: 10, pollInterval: 2000 }
            : { concurrentJobs: 24, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
        const runner = await run({
            pgPool, logger, noHandleSignals: true, taskList: { welcome: async (data) => onJob(data) },
            preset: { worker }, concurrency: worker.concurrentJobs,
        });
        return () => runner.stop();
    },
    close: async () => {
        await utils.release();
    },
});
