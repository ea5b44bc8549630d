// Runs scripts of storage operations on a real Durable Object and answers what each one said.
//
// A script is a list of calls, a call a list of operations (support/conformance_scripts.py names
// them all). Every call goes to the object through a new stub. Values travel in a tagged form,
// because JSON has no bytes, dates, big integers or NaN.
import { DurableObject } from "cloudflare:workers";

const ALARM_WAIT_MS = 3_000;

export function fromTagged([kind, content]) {
  switch (kind) {
    case "undefined": return undefined;
    case "null": return null;
    case "bool": case "str": case "int": return content;
    case "float": return fromBits(content);
    case "big": return BigInt(content);
    case "bytes": return bytesOf(content);
    case "list": return content.map(fromTagged);
    case "dict": return Object.fromEntries(content.map(([k, v]) => [fromTagged(k), fromTagged(v)]));
    case "map": return new Map(content.map(([k, v]) => [fromTagged(k), fromTagged(v)]));
    case "set": return new Set(content.map(fromTagged));
    case "date": return new Date(content);
    case "function": return () => undefined;
    default: throw new Error(`no value of kind ${kind}`);
  }
}

export function toTagged(value) {
  if (value === undefined || value === null) return ["null"];
  switch (typeof value) {
    case "boolean": return ["bool", value];
    case "number": return ["float", bitsOf(value)];
    case "bigint": return ["big", value.toString()];
    case "string": return ["str", value];
    case "function": return ["function"];
  }
  if (value instanceof ArrayBuffer) return ["bytes", hexOf(new Uint8Array(value))];
  if (ArrayBuffer.isView(value)) return ["bytes", hexOf(value)];
  if (Array.isArray(value)) return ["list", value.map(toTagged)];
  if (value instanceof Date) return ["date", value.getTime()];
  if (value instanceof Set) return ["set", [...value].map(toTagged)];
  const pairs = value instanceof Map ? [...value] : Object.entries(value);
  return ["dict", pairs.map(([k, v]) => [toTagged(k), toTagged(v)])];
}

function fromBits(hex) {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(`0x${hex}`));
  return view.getFloat64(0);
}

function bitsOf(number) {
  if (Number.isNaN(number)) return "nan";
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, number);
  return view.getBigUint64(0).toString(16).padStart(16, "0");
}

function bytesOf(hex) {
  return new Uint8Array((hex.match(/../g) ?? []).map((pair) => parseInt(pair, 16)));
}

function hexOf(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function failure(error) {
  const code = /SQLITE_[A-Z]+/.exec(error.message ?? "");
  return { error: error.name, code: code ? code[0] : null, message: error.message };
}

function listOptions(given) {
  const names = { start_after: "startAfter" };
  return Object.fromEntries(Object.entries(given).map(([k, v]) => [names[k] ?? k, v]));
}

function writeOptions(operation) {
  return operation.unconfirmed ? { allowUnconfirmed: true } : {};
}

class Ended extends Error {}

export class Script extends DurableObject {
  calls = 0;
  ran = [];
  waiting = null;

  async run(text) {
    return JSON.stringify(await this.runAll(JSON.parse(text), this.ctx.storage));
  }

  async runAll(operations, target) {
    const results = [];
    for (const operation of operations) results.push(await this.attempt(operation, target));
    return results;
  }

  async attempt(operation, target) {
    try {
      return { value: await this.perform(operation, target) };
    } catch (error) {
      if (error instanceof Ended) throw error;
      return failure(error);
    }
  }

  attemptSync(operation) {
    try {
      return { value: this.performSync(operation) };
    } catch (error) {
      if (error instanceof Ended) throw error;
      return failure(error);
    }
  }

  async perform(operation, target) {
    const storage = this.ctx.storage;
    switch (operation.op) {
      case "get": return toTagged(await target.get(operation.key));
      case "get_many": return toTagged(await storage.get(operation.keys));
      case "put":
        return toTagged(
          await target.put(operation.key, fromTagged(operation.value), writeOptions(operation)));
      case "put_many":
        return toTagged(await storage.put(
          Object.fromEntries(operation.entries.map(([k, v]) => [k, fromTagged(v)])),
          writeOptions(operation)));
      case "delete": return toTagged(await target.delete(operation.key, writeOptions(operation)));
      case "delete_many": return toTagged(await storage.delete(operation.keys));
      case "list": return toTagged(await storage.list(listOptions(operation.options)));
      case "get_alarm": return this.instant(await target.getAlarm());
      case "set_alarm": return toTagged(await target.setAlarm(
        operation.at_ms === "now" ? Date.now() : operation.at_ms));
      case "delete_alarm": return toTagged(await target.deleteAlarm());
      case "delete_all": return toTagged(await target.deleteAll());
      case "sync": return toTagged(await storage.sync());
      case "pause": return toTagged(await scheduler.wait(1));
      case "bump": return toTagged((this.calls += 1));
      case "abort": return this.ctx.abort(operation.reason);
      case "throw": throw new Ended(operation.reason);
      case "rollback":
        if (target === storage) throw new Error("no transaction");
        return toTagged(target.rollback());
      case "transaction": return await this.transact(operation);
      case "block": return await this.block(operation);
      case "handle_alarm": return await this.handleAlarm(operation);
      default: return this.performSync(operation);
    }
  }

  instant(atMs) {
    const isNow = atMs !== null && Math.abs(atMs - Date.now()) < 3_600_000;
    return isNow ? ["str", "now"] : toTagged(atMs);
  }

  performSync(operation) {
    const { kv, sql } = this.ctx.storage;
    switch (operation.op) {
      case "kv_get": return toTagged(kv.get(operation.key));
      case "kv_put": return toTagged(kv.put(operation.key, fromTagged(operation.value)));
      case "kv_delete": return toTagged(kv.delete(operation.key));
      case "kv_list": {
        const entries = [];
        for (const entry of kv.list(listOptions(operation.options))) {
          if (operation.take !== undefined && entries.length >= operation.take) break;
          entries.push(entry);
        }
        return toTagged(entries);
      }
      case "kv_list_twice": {
        const older = kv.list(listOptions(operation.options))[Symbol.iterator]();
        const newer = kv.list(listOptions(operation.options))[Symbol.iterator]();
        newer.next();
        return toTagged([...older]);
      }
      case "sql": return this.runSql(sql, operation);
      case "transaction_sync": return this.transactSync(operation);
      case "throw": throw new Ended(operation.reason);
      default: throw new Error(`no operation ${operation.op}`);
    }
  }

  runSql(sql, operation) {
    const cursor = sql.exec(operation.text, ...(operation.bindings ?? []).map(fromTagged));
    switch (operation.mode) {
      case "raw": return toTagged([...cursor.raw()]);
      case "one": return toTagged(cursor.one());
      case "next": return toTagged(cursor.next().value);
      case "columns": {
        cursor.toArray();
        return toTagged(cursor.columnNames);
      }
      case "written": {
        cursor.toArray();
        return toTagged(cursor.rowsWritten);
      }
      default: return toTagged(cursor.toArray());
    }
  }

  async transact(operation) {
    let inner = [];
    try {
      const value = await this.ctx.storage.transaction(async (txn) => {
        inner = await this.runAll(operation.body, txn);
        return "done";
      });
      return ["list", [toTagged(value), ["results", inner]]];
    } catch (error) {
      return this.endedInside(error, operation);
    }
  }

  transactSync(operation) {
    let inner = [];
    try {
      const value = this.ctx.storage.transactionSync(() => {
        inner = operation.body.map((each) => this.attemptSync(each));
        return "done";
      });
      return ["list", [toTagged(value), ["results", inner]]];
    } catch (error) {
      return this.endedInside(error, operation);
    }
  }

  endedInside(error, operation) {
    if (error instanceof Ended && operation.catches) return ["str", `caught ${error.message}`];
    throw error;
  }

  async block(operation) {
    const inner = await this.ctx.blockConcurrencyWhile(
      async () => await this.runAll(operation.body, this.ctx.storage));
    return ["results", inner];
  }

  async handleAlarm(operation) {
    this.handler = operation.body;
    return ["null"];
  }

  async alarm(info) {
    const said = [{ value: toTagged(info.retryCount) }];
    said.push(...(await this.runAll(this.handler ?? [], this.ctx.storage)));
    this.ran.push(said);
    if (this.waiting !== null) this.waiting();
  }

  async alarmResults() {
    if (this.ran.length === 0) {
      const rang = new Promise((resolve) => { this.waiting = resolve; });
      await Promise.race([rang, scheduler.wait(ALARM_WAIT_MS)]);
      this.waiting = null;
    }
    return JSON.stringify(this.ran.shift() ?? [{ value: ["str", "no alarm rang"] }]);
  }
}

export async function runCall(stub, call) {
  try {
    if (call.wait_alarm) return { results: JSON.parse(await stub.alarmResults()) };
    return { results: JSON.parse(await stub.run(JSON.stringify(call.operations))) };
  } catch (error) {
    return {
      failed: failure(error),
      reset: error.durableObjectReset === true,
      overloaded: error.overloaded === true,
      retryable: error.retryable === true,
    };
  }
}

export default {
  async fetch(request, env) {
    const { name, calls } = await request.json();
    const answers = [];
    for (const call of calls) {
      const stub = env.SCRIPT.get(env.SCRIPT.idFromName(name));
      answers.push(await runCall(stub, call));
    }
    return Response.json(answers);
  },
};
