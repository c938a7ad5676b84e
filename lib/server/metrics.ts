/** Counters for Prometheus. Labels are few and of known values: no ids, no keys, no addresses. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: 'stackmemory_requests_total',
    help: 'Requests by route, method and status',
    labelNames: ['route', 'method', 'status'] as const,
    registers: [this.#registry],
  });
  readonly #seconds = new Histogram({
    name: 'stackmemory_request_seconds',
    help: 'Time to the answer, by route',
    labelNames: ['route'] as const,
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.#registry],
  });
  readonly #changes = new Counter({
    name: 'stackmemory_changes_total',
    help: 'Changes pushed, by what became of them, and pulled',
    labelNames: ['outcome'] as const,
    registers: [this.#registry],
  });

  readonly #streams: Gauge;

  constructor(streams: () => number) {
    this.#streams = new Gauge({
      name: 'stackmemory_streams',
      help: 'Open streams',
      registers: [this.#registry],
      collect: () => this.#streams.set(streams()),
    });
  }

  countRequest(route: string, method: string, status: number, ms: number): void {
    this.#requests.inc({ route, method, status });
    this.#seconds.observe({ route }, ms / 1000);
  }

  countChanges(outcome: string, count: number): void {
    if (count > 0) this.#changes.inc({ outcome }, count);
  }

  async text(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}
