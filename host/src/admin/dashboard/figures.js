'use strict';
// What the figures mean. Counters are totals since the start of the host: figures are made of the difference of two samples.
// `figures.rs` has the same for the terminal, and both are tested by the same examples.

/** The totals of a route: requests, errors, and the buckets of its latencies. */
function countersOf(route) {
  let requests = 0, errors = (route.ends && route.ends.truncated) || 0;
  for (const [, code, count] of route.requests) {
    requests += count;
    if (code >= '5') errors += count;
  }
  const waits = route.rate_waits || {};
  const waited = Object.values(waits).reduce((sum, it) => sum + it.seconds, 0);
  return { requests, errors: Math.min(errors, requests), buckets: route.latency.buckets, sent: route.sent_bytes, stages: route.stages, waited };
}

/** A sample: what is needed of the figures of one moment to subtract them from later ones. */
function sampleOf(stats) {
  const routes = new Map(stats.routes.map((route) => [route.route, countersOf(route)]));
  return { time: stats.time, started: stats.started, cpu: stats.process.cpu_seconds, bounds: stats.latency_bounds, routes };
}

const NOTHING = { requests: 0, errors: 0, buckets: [], sent: 0, stages: {}, waited: 0 };

/** What has happened of one route from `before`, which may be undefined, to `after`. No counter falls, so less is nothing. */
function difference(before = NOTHING, after = NOTHING) {
  const less = (one, other) => Math.max(0, (one || 0) - (other || 0));
  const stages = {};
  for (const name in after.stages) stages[name] = less(after.stages[name], before.stages[name]);
  return {
    requests: less(after.requests, before.requests),
    errors: less(after.errors, before.errors),
    buckets: after.buckets.map((count, index) => less(count, before.buckets[index])),
    sent: less(after.sent, before.sent),
    waited: less(after.waited, before.waited),
    stages,
  };
}

/** The value below which the part `q` of all is, in seconds: as if values were spread evenly within a bucket. Null if there is none. */
function percentile(bounds, buckets, q) {
  const count = buckets.reduce((sum, bucket) => sum + bucket, 0);
  if (count === 0) return null;
  const rank = q * count;
  let below = 0;
  for (let index = 0; index < bounds.length; index++) {
    const bucket = buckets[index];
    if (bucket > 0 && below + bucket >= rank) {
      const lower = index === 0 ? 0 : bounds[index - 1];
      return lower + (bounds[index] - lower) * Math.max(0, rank - below) / bucket;
    }
    below += bucket;
  }
  // The last bucket has no upper bound.
  return bounds[bounds.length - 1];
}

/** The figures from one sample to a later one of the same run: by route, and of all together. Null if that cannot be said. */
function figuresBetween(before, after) {
  const seconds = after.time - before.time;
  if (before.started !== after.started || !(seconds > 0)) return null;
  const figures = (happened) => ({
    ...happened,
    rate: happened.requests / seconds,
    errorRate: happened.errors / seconds,
    p50: percentile(after.bounds, happened.buckets, 0.5),
    p90: percentile(after.bounds, happened.buckets, 0.9),
    p99: percentile(after.bounds, happened.buckets, 0.99),
  });
  const routes = new Map(), all = { requests: 0, errors: 0, sent: 0, waited: 0, buckets: [], stages: {} };
  for (const [name, counters] of after.routes) {
    const happened = difference(before.routes.get(name), counters);
    routes.set(name, figures(happened));
    for (const key of ['requests', 'errors', 'sent', 'waited']) all[key] += happened[key];
    happened.buckets.forEach((count, index) => { all.buckets[index] = (all.buckets[index] || 0) + count; });
    for (const stage in happened.stages) all.stages[stage] = (all.stages[stage] || 0) + happened.stages[stage];
  }
  return { seconds, cpu: Math.max(0, after.cpu - before.cpu) / seconds, all: figures(all), routes };
}

/** A number of things, or of things a second. */
function count(value) {
  if (value === null || value === undefined) return '–';
  if (value === 0) return '0';
  if (value < 0.095) return '< 0.1';
  if (value < 10) return String(Math.round(value * 10) / 10);
  return Math.round(value).toLocaleString('en');
}

/** A duration of `seconds`. */
function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const digits = (value) => value.toFixed(value < 9.95 ? 1 : 0);
  if (seconds < 0.0009995) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 0.9995) return `${digits(seconds * 1e3)} ms`;
  return `${digits(seconds)} s`;
}

/** A number of bytes. */
function bytes(value) {
  if (value === null || value === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** How long something lasts, for people: `3 h 5 min`. */
function age(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${whole} s`;
}
