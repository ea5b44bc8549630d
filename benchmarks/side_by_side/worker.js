// The work that both servers do, for workerd; bench_objects.py is its twin.
import { DurableObject } from "cloudflare:workers";

const lateness = []; // of the alarms of this process, in milliseconds
let dueMs = 0; // of all of them

export class Bench extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.puts = 0;
    this.sql.exec("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, value INTEGER)");
    this.sql.exec("CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, value TEXT)");
  }

  value() {
    const [row] = this.sql.exec("SELECT value FROM counter WHERE id = 0").toArray();
    return row ? row.value : 0;
  }

  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname.slice(1)) {
      case "noop": return new Response("0");
      case "read": return new Response(String(this.value()));
      case "incr": {
        const value = this.value() + 1;
        this.sql.exec("INSERT OR REPLACE INTO counter (id, value) VALUES (0, ?)", value);
        return new Response(String(value));
      }
      case "kvput":
        this.puts += 1; // the same value again would change no page
        await this.ctx.storage.put("key", `value ${this.puts}`);
        return new Response("0");
      case "txn":
        this.ctx.storage.transactionSync(() => {
          for (let number = 0; number < 10; number++) {
            this.sql.exec("INSERT INTO entry (value) VALUES (?)", "text of an entry");
          }
        });
        return new Response("10");
      case "wake":
        dueMs = Number(searchParams.get("at"));
        await this.ctx.storage.setAlarm(dueMs);
        return new Response("0");
      case "lateness": return Response.json(lateness);
      default: return new Response("no such work", { status: 404 });
    }
  }

  async alarm() {
    lateness.push(Date.now() - dueMs);
  }
}

export default {
  async fetch(request, env) {
    const { origin, pathname, search } = new URL(request.url);
    const [, , , name, work] = pathname.split("/");
    const stub = env.BENCH.get(env.BENCH.idFromName(name));
    return await stub.fetch(`${origin}/${work}${search}`);
  },
};
