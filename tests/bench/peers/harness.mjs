// Measures one peer in JavaScript: the same figures in the same way as harness.py. Prints one JSON line.
//
// A peer gives add(data), bulk([data]), clear(), work(onJob, {latency}) -> stop(), close(), and its version.
import { readFileSync } from 'node:fs';

const config = JSON.parse(process.env.BENCH);
const payloads = readFileSync(config.jobs, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const url = config.url;
export const redisPort = config.redis_port;

async function rate(inFlight, size, send) {
    let done = 0, next = 0;
    const begun = performance.now(), ends = begun + config.seconds * 1000;
    const loop = async () => {
        while (performance.now() < ends) {
            const start = (next++ * size) % payloads.length;
            await send(size === 1 ? payloads[start] : payloads.slice(start, start + size));
            done += size;
        }
    };
    await Promise.all(Array.from({ length: inFlight }, loop));
    return (done * 1000) / (performance.now() - begun);
}

async function processed(peer) {
    for (let added = 0; added < config.backlog; added += payloads.length) await peer.bulk(payloads);
    let done = 0, first = 0, last = 0;
    const ends = performance.now() + config.longest_s * 1000;
    const stop = await peer.work(() => {
        last = performance.now();
        first ||= last;
        done++;
    }, { latency: false });
    while (done < config.backlog && performance.now() < ends) await sleep(20);
    const found = ((done - 1) * 1000) / (last - first);
    await stop();
    return found;
}

async function latencies(peer) {
    const waits = [];
    const stop = await peer.work((data) => waits.push(performance.timeOrigin + performance.now() - data.at), { latency: true });
    const count = config.latency_s * config.latency_rate;
    await sleep(1000);
    for (let nth = -config.latency_rate; nth < count; nth++) {
        const at = performance.now();
        if (nth === 0) waits.length = 0; // the first are slower
        await peer.add({ at: performance.timeOrigin + performance.now() });
        await sleep(Math.max(0, 1000 / config.latency_rate - (performance.now() - at)));
    }
    const ends = performance.now() + config.longest_s * 1000;
    while (waits.length < count && performance.now() < ends) await sleep(20);
    await stop();
    waits.sort((a, b) => a - b);
    const share = (of) => waits[Math.min(waits.length - 1, Math.floor(waits.length * of))];
    return { p50_ms: share(0.5), p99_ms: share(0.99), max_ms: share(1) };
}

export async function main(peer) {
    const found = { version: peer.version };
    for (const [name, inFlight, size] of config.adding) {
        await peer.clear();
        found[name] = await rate(inFlight, size, size === 1 ? peer.add : peer.bulk);
    }
    await peer.clear();
    found.process = await processed(peer);
    await peer.clear();
    Object.assign(found, await latencies(peer));
    await peer.close();
    console.log(JSON.stringify(found));
    process.exit(0);
}
