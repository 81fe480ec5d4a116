// pg-boss: for a backlog batches without a pause, for latency LISTEN and NOTIFY.
import { readFileSync } from 'node:fs';
import { PgBoss } from 'pg-boss';
import { main, url } from './harness.mjs';

const boss = new PgBoss({ connectionString: url, max: 16, useListenNotify: true });
boss.on('error', (error) => console.error(error.message));
await boss.start();
await boss.createQueue('bench');

await main({
    version: JSON.parse(readFileSync('node_modules/pg-boss/package.json')).version,
    add: (data) => boss.send('bench', data),
    bulk: (many) => boss.insert('bench', many.map((data) => ({ data }))),
    clear: async () => {
        await boss.deleteAllJobs('bench');
    },
    work: async (onJob, { latency }) => {
        await boss.updateQueue('bench', { notify: latency });
        const options = latency
            ? { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 5 }
            : { batchSize: 1000, localConcurrency: 2, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 };
        await boss.work('bench', options, async (batch) => {
            for (const job of batch) onJob(job.data);
        });
        return () => boss.offWork('bench');
    },
    close: () => boss.stop({ graceful: false }),
});
