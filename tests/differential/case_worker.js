// The scripts of single conformance cases on a real workerd: more operations and more kinds of
// calls than generated scripts have (support/case_operations.py names them).
import { DurableObject } from "cloudflare:workers";
import worker, { Script, failure, fromTagged, runCall, toTagged } from "./script_worker.js";

export { Script };

const SLACK_MS = 1000; // an instant that has just passed is taken as now
const plans = new Map(); // id of an object -> what its next constructor does

export class Plain extends DurableObject {
  async setAlarm() {
    await this.ctx.storage.setAlarm(Date.now() + 1000);
  }
}

export class Case extends Script {
  words = [];
  alarmRuns = 0;
  setAt = null;

  constructor(ctx, env) {
    super(ctx, env);
    const plan = plans.get(ctx.id.toString());
    plans.delete(ctx.id.toString());
    if (plan === "throws") throw new Error("thrown on purpose");
    if (plan === "waits") {
      ctx.blockConcurrencyWhile(async () => {
        await scheduler.wait(5);
        this.words.push("prepared");
      });
    }
  }

  async perform(operation, target) {
    const storage = this.ctx.storage;
    switch (operation.op) {
      case "own_name": return toTagged(this.ctx.id.name);
      case "log": return toTagged(void this.words.push(operation.word));
      case "read_log": return toTagged(this.words);
      case "increment": return toTagged(await this.increment(operation, false));
      case "slow_increment": return toTagged(await this.increment(operation, true));
      case "nest": return toTagged(await this.nest(operation.depth));
      case "background":
        return toTagged(this.ctx.waitUntil(this.later(operation.body)));
      case "timer":
        return toTagged(void setTimeout(() => this.words.push(operation.word), 0));
      case "block_beside":
        this.ctx.blockConcurrencyWhile(() => this.runAll(operation.body, storage));
        return ["null"];
      case "sections": return await this.sections(operation.bodies);
      case "long_key": {
        const key = "k".repeat(operation.times);
        await storage.put(key, 7);
        return toTagged(await storage.get(key));
      }
      case "put_many_long":
        return toTagged(await storage.put({ a: 1, ["k".repeat(operation.times)]: 2 }));
      case "abort":
        return this.ctx.abort(operation.reason, { retryAlarm: !operation.drop_alarm });
      case "set_alarm": return toTagged(await this.setAlarm(operation.at_ms, target));
      case "alarm_runs": return toTagged(this.alarmRuns);
      case "set_date": return toTagged(await storage.setAlarm(new Date(operation.at_ms)));
      case "handle_alarm":
        this.then = operation.then;
        return await super.perform(operation, target);
      case "alarm_name": return toTagged(this.nameInAlarm);
      case "alarm_info": return toTagged([
        this.info.isRetry, Math.abs(this.info.scheduledTime - this.setAt) < SLACK_MS,
        Date.now() >= this.info.scheduledTime]);
      case "sockets_of": return toTagged(this.ctx.getWebSockets(operation.tag ?? undefined).length);
      case "broadcast": return toTagged(this.broadcast(operation));
      case "auto_response":
        return toTagged(this.ctx.setWebSocketAutoResponse(
          new WebSocketRequestResponsePair(operation.request, operation.response)));
      case "attach":
        return toTagged(this.ctx.getWebSockets()[0].serializeAttachment(
          operation.times ? "x".repeat(operation.times) : fromTagged(operation.value)));
      case "attached": return toTagged(this.ctx.getWebSockets()[0].deserializeAttachment());
      default: return await super.perform(operation, target);
    }
  }

  performSync(operation) {
    const sql = this.ctx.storage.sql;
    switch (operation.op) {
      case "cursor": {
        const cursor = sql.exec(operation.text);
        return ["results", operation.steps.map((step) => this.step(cursor, step))];
      }
      case "overlap": {
        const older = sql.exec(operation.text);
        const newer = sql.exec(operation.text);
        return toTagged([older.next().value, newer.toArray(), older.toArray()]);
      }
      case "size_in_pages": {
        const pageSize = sql.exec("PRAGMA page_size").one().page_size;
        return toTagged(sql.databaseSize / pageSize);
      }
      default: return super.performSync(operation);
    }
  }

  step(cursor, step) {
    try {
      switch (step) {
        case "next": return { value: toTagged(cursor.next().value) };
        case "to_array": return { value: toTagged(cursor.toArray()) };
        case "one": return { value: toTagged(cursor.one()) };
        case "columns": return { value: toTagged(cursor.columnNames) };
        case "read": return { value: toTagged(cursor.rowsRead) };
        case "written": return { value: toTagged(cursor.rowsWritten) };
      }
    } catch (error) {
      return failure(error);
    }
  }

  async increment({ key }, isSlow) {
    const before = (await this.ctx.storage.get(key)) ?? 0;
    if (isSlow) await scheduler.wait(20);
    await this.ctx.storage.put(key, before + 1);
    return before + 1;
  }

  async nest(depth) {
    if (depth === 0) return "reached";
    try {
      return await this.ctx.blockConcurrencyWhile(() => this.nest(depth - 1));
    } catch {
      return "refused";
    }
  }

  async later(body) {
    await scheduler.wait(5);
    await this.runAll(body, this.ctx.storage);
  }

  async sections(bodies) {
    const sections = bodies.map((body) =>
      this.ctx.blockConcurrencyWhile(() => this.runAll(body, this.ctx.storage)));
    const said = [];
    for (const section of sections) said.push(["results", await section]);
    return ["list", said];
  }

  async setAlarm(atMs, target) {
    this.setAt = atMs === "now" ? Date.now() : Array.isArray(atMs) ? Date.now() + atMs[1] : atMs;
    return await target.setAlarm(this.setAt);
  }

  async alarm(info) {
    this.alarmRuns += 1;
    this.info = info;
    this.nameInAlarm = this.ctx.id.name;
    try {
      await super.alarm(info);
    } catch (error) {
      this.ran.push([{ value: ["str", error.message] }]);
      if (this.waiting !== null) this.waiting();
      throw error;
    } finally {
      if (this.then) this.handler = this.then;
    }
  }

  async fetch(request) {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server, JSON.parse(request.headers.get("tags")));
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(ws, message) {
    ws.send(typeof message === "string" ? `echo ${message}` : new Uint8Array(message).reverse());
  }

  async webSocketClose(ws, code, reason, wasClean) {
    this.words.push(`closed ${code} ${reason} ${wasClean}`);
    ws.close(4000, "bye");
  }

  broadcast({ text, tag }) {
    const sockets = this.ctx.getWebSockets(tag ?? undefined);
    for (const ws of sockets) ws.send(text);
    return sockets.map((ws) => this.ctx.getTags(ws));
  }
}

class Client {
  constructor(webSocket) {
    this.heard = [];
    this.waiting = null;
    this.webSocket = webSocket;
    webSocket.binaryType = "arraybuffer";
    webSocket.addEventListener("message", ({ data }) => this.hear(toTagged(data)));
    webSocket.addEventListener("close", ({ code, reason, wasClean }) =>
      this.hear(toTagged([code, reason, wasClean])));
    webSocket.accept();
  }

  hear(what) {
    this.heard.push(what);
    if (this.waiting !== null) this.waiting();
  }

  async receive() {
    if (this.heard.length === 0) await new Promise((resolve) => { this.waiting = resolve; });
    this.waiting = null;
    return this.heard.shift();
  }
}

async function socketStep(step, stub, clients) {
  switch (step.op) {
    case "open": {
      const headers = { Upgrade: "websocket", tags: JSON.stringify(step.tags ?? []) };
      const response = await stub.fetch("http://case/", { headers });
      clients.set(step.as, new Client(response.webSocket));
      return ["null"];
    }
    case "send": return toTagged(clients.get(step.to).webSocket.send(fromTagged(step.value)));
    case "receive": return await clients.get(step.of).receive();
    case "close": return toTagged(clients.get(step.to).webSocket.close(step.code, step.reason));
    default: {
      const [result] = JSON.parse(await stub.run(JSON.stringify([step])));
      if (result.error) throw Object.assign(new Error(result.message), { name: result.error });
      return result.value;
    }
  }
}

function identityStep(step, env, ids) {
  const namespace = step.of_other ? env.PLAIN : env.CASE;
  switch (step.op) {
    case "from_name": return remember(ids, step.as, namespace.idFromName(step.name));
    case "unique": return remember(ids, step.as, namespace.newUniqueId());
    case "unique_in": return toTagged(refusal(() =>
      namespace.newUniqueId({ jurisdiction: step.jurisdiction }).name));
    case "from_text": return remember(
      ids, step.as, namespace.idFromString(step.text ?? ids.get(step.of).toString()));
    case "from_wrong_text": {
      const text = ids.get(step.of).toString();
      return toTagged(namespace.idFromString(text.slice(0, -1) + (text.endsWith("0") ? "1" : "0")));
    }
    case "are_equal": return toTagged(ids.get(step.one).equals(ids.get(step.other)));
    case "have_one_text": return toTagged(
      ids.get(step.one).toString() === ids.get(step.other).toString());
    case "length": return toTagged(ids.get(step.of).toString().length);
    case "name": return toTagged(ids.get(step.of).name);
    case "stubs": {
      const options = step.hint ? { locationHint: step.hint } : {};
      const one = namespace.getByName(step.name, options);
      const other = namespace.get(namespace.idFromName(step.name), options);
      return toTagged([one.id.equals(other.id), one.name, other.name]);
    }
    case "own_property": {
      const stub = namespace.getByName(step.name);
      stub.local = () => 123;
      return toTagged(stub.local());
    }
    default: throw new Error(`no step ${step.op}`);
  }
}

function remember(ids, label, id) {
  ids.set(label, id);
  return ["null"];
}

function refusal(action) {
  try {
    return action();
  } catch {
    return "refused";
  }
}

async function attempts(steps, perform) {
  const results = [];
  for (const step of steps) {
    try {
      results.push({ value: await perform(step) });
    } catch (error) {
      results.push(failure(error));
    }
  }
  return { results };
}

function objectId(env, name, call) {
  const [kind, text, times] = call.object ?? ["named", name, 1];
  switch (kind) {
    case "unique": return env.CASE.newUniqueId();
    case "from_text": return env.CASE.idFromString(env.CASE.idFromName(text).toString());
    default: return env.CASE.idFromName(text.repeat(times));
  }
}

async function answersOf(call, name, env, kept) {
  if (call.identity) return [await attempts(call.identity, (step) =>
    identityStep(step, env, kept.ids))];
  if (call.plan) {
    plans.set(env.CASE.idFromName(name).toString(), call.plan);
    return [];
  }
  if (call.wait_ms) {
    await scheduler.wait(call.wait_ms);
    return [];
  }
  if (call.plain) return [await attempts(["set_alarm"], async () =>
    toTagged(await env.PLAIN.getByName(name).setAlarm()))];
  const stub = kept.stubs.get(call.stub) ?? env.CASE.get(objectId(env, name, call));
  if (call.stub) kept.stubs.set(call.stub, stub);
  if (call.sockets) return [await attempts(call.sockets, (step) =>
    socketStep(step, stub, kept.clients))];
  if (call.together) return await Promise.all(
    call.together.map((operations) => runCall(stub, { operations })));
  return call.operations || call.wait_alarm ? [await runCall(stub, call)] : [];
}

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/case") return await worker.fetch(request, env, ctx);
    const { name, calls } = await request.json();
    const kept = { ids: new Map(), stubs: new Map(), clients: new Map() };
    const answers = [];
    for (const call of calls) answers.push(...(await answersOf(call, name, env, kept)));
    return Response.json(answers);
  },
};
