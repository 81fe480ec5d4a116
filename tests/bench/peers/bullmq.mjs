// BullMQ, on PostgreSQL or, with a port, on Redis.
import { readFileSync } from 'node:fs';
import { Queue, Worker, createPostgresBackend } from 'bullmq';
import { main, redisPort, url } from './harness.mjs';

const CONCURRENCY = redisPort ? 100 : 10;
const connection = redisPort ? { host: '127.0.0.1', port: redisPort } : { connectionString: url, migrate: true, max: 16 };
const backend = redisPort ? undefined : createPostgresBackend;
const queue = new Queue('bench', { connection }, backend);
await queue.waitUntilReady();

await main({
    version: JSON.parse(readFileSync('node_modules/bullmq/package.json')).version,
    add: (data) => queue.add('welcome', data),
    bulk: (many) => queue.addBulk(many.map((data) => ({ name: 'welcome', data }))),
    clear: () => queue.obliterate({ force: true }),
    work: async (onJob) => {
        const worker = new Worker('bench', async (job) => onJob(job.data), { connection, concurrency: CONCURRENCY }, backend);
        await worker.waitUntilReady();
        return () => worker.close();
    },
    close: () => queue.close(),
});
