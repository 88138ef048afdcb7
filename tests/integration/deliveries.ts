/**
 * A chain's deliveries over many nights, made up by chance, and what must have become of them, worked out without
 * anything of the product.
 *
 * Kept apart from how the pipeline was disturbed: whatever that was, after a clean run all of this has to hold.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { goldenPath } from "../support/workspace.ts";
import { type Outcome, readNightEnd } from "../support/outcome.ts";
import { readTable } from "../support/duckdb.ts";
import { assertSameRows, readCsv, type Row } from "../support/rows.ts";
import { readTree, type Tree } from "../support/tree.ts";
import type { RemoteDeployment } from "./remote_deployment.ts";

/** A row as delivered, its money in cents. */
interface Sale {
  readonly customer: string;
  readonly store: string;
  readonly person: string;
  readonly date: string;
  readonly cents: bigint;
  readonly fields: readonly string[];
}

/** The content of a file, and what the contract says of it. */
interface Content {
  readonly sha256: string;
  readonly bytes: Uint8Array;
  readonly accepted: readonly Sale[];
  readonly rejectedRows: number;
  /** The whole file is rejected. */
  readonly isFaulty: boolean;
}

/** Some content under some name. */
interface Delivery {
  readonly key: string;
  readonly content: Content;
  /** Another one took its place, perhaps before it was read. */
  isReplaced: boolean;
}

const HEADER = "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost";
const SOURCE = "sales_data/";
/** All that a store may hold besides source files that were moved. */
const OTHERS =
  /^(_runs|accepted_sales|customer_data_mart|sales_data_mart|sales_partitioned_data_mart)\/|^sales_data_error\/[^/]+\/(rejects|reasons)\//;

/** See the module's head. */
export class Deliveries {
  readonly #deployment: RemoteDeployment;
  readonly #random: () => number;
  readonly #ids: Readonly<Record<"customer" | "store" | "sales_team", readonly string[]>>;
  readonly #made: Delivery[] = [];
  /** What was delivered and not yet seen to be taken. */
  #open: Delivery[] = [];
  #names = 0;

  private constructor(
    deployment: RemoteDeployment,
    random: () => number,
    ids: Readonly<Record<"customer" | "store" | "sales_team", readonly string[]>>,
  ) {
    this.#deployment = deployment;
    this.#random = random;
    this.#ids = ids;
  }

  /** Begins with the dimension tables of the golden data. */
  static async begin(deployment: RemoteDeployment, random: () => number): Promise<Deliveries> {
    await deployment.loadDimensions(goldenPath("dimensions"));
    const idsOf = async (table: string) =>
      (await readCsv(goldenPath(`dimensions/${table}.csv`))).rows.map(([id]) => String(id));
    const ids = {
      customer: await idsOf("customer"),
      store: await idsOf("store"),
      sales_team: await idsOf("sales_team"),
    };
    return new Deliveries(deployment, random, ids);
  }

  /** Delivers a night: new files, late ones, known content under new names, known names with new content. */
  async deliver(): Promise<void> {
    const count = 1 + this.#below(4);
    for (let i = 0; i < count; i++) {
      const known = this.#pick(this.#made);
      const chance = this.#random();
      if (known && chance < 0.2) await this.#put(this.#newKey(), known.content);
      else if (known && chance < 0.35) await this.#put(known.key, this.#newContent());
      else await this.#put(this.#newKey(), this.#newContent());
    }
  }

  /** Puts new content under the name of something that may just be on its way. */
  async replace(): Promise<void> {
    const victim = this.#pick(this.#open);
    if (victim) await this.#put(victim.key, this.#newContent());
  }

  /** Checks everything that a reader or an operator sees, after a run that has ended well. */
  async assertComplete(): Promise<void> {
    await this.#deployment.refresh();
    const { left, outcome } = await readNightEnd(this.#deployment);
    assert.deepEqual(left, [], "unfinished or left over");
    assert.deepEqual(await this.#deployment.bucket.openUploads(), [], "open uploads");
    const tree = await readTree(this.#deployment.store);
    const accepted = await this.#assertLedger(tree);
    assertTables(accepted.flatMap((content) => content.accepted), outcome);
    this.#open = [];
  }

  async #put(key: string, content: Content): Promise<void> {
    for (const delivery of this.#open) if (delivery.key === key) delivery.isReplaced = true;
    // Noted first: whoever is waiting for this sees it at once.
    const delivery = { key, content, isReplaced: false };
    this.#made.push(delivery);
    this.#open.push(delivery);
    await this.#deployment.bucket.put(key, content.bytes);
  }

  /** Every delivered version is in the ledger, once, and lies where the ledger says; gives the accepted contents. */
  async #assertLedger(tree: Tree): Promise<Content[]> {
    const { columns, rows } = await readTable(this.#deployment.database, "source_file");
    const at = (name: string) => columns.findIndex((column) => column.startsWith(`${name} `));
    const entries = rows.map((row) => ({
      key: String(row[at("object_key")]),
      sha256: String(row[at("sha256")]),
      status: String(row[at("status")]),
      destination: String(row[at("destination")]),
      counts: ["rows_accepted", "rows_rejected"].map((name) => Number(row[at(name)])),
    }));
    const contents = new Map(this.#made.map(({ content }) => [content.sha256, content]));
    const deliveries = Map.groupBy(this.#made, ({ key, content }) => `${key} ${content.sha256}`);
    const recorded = Map.groupBy(entries, ({ key, sha256 }) => `${key} ${sha256}`);
    for (const [version, made] of deliveries) {
      const times = recorded.get(version)?.length ?? 0;
      const certain = made.filter(({ isReplaced }) => !isReplaced).length;
      assert.ok(
        times >= certain && times <= made.length,
        `${version}: delivered ${made.length}, recorded ${times}`,
      );
    }
    const accepted: Content[] = [];
    for (const [sha256, found] of Map.groupBy(entries, (entry) => entry.sha256)) {
      const content = contents.get(sha256);
      assert.ok(content, `the ledger has content ${sha256}, which nobody delivered`);
      const taken = found.filter(({ status }) => status === "accepted");
      assert.equal(
        taken.length,
        content.isFaulty ? 0 : 1,
        `content ${sha256} was accepted ${taken.length} times`,
      );
      for (const { key, status, destination, counts } of found) {
        assert.equal(status === "rejected", content.isFaulty, key);
        const bytes = tree.get(destination);
        assert.ok(bytes && Buffer.compare(bytes, content.bytes) === 0, `${key} is not at ${destination}`);
        const expected: number[] = status === "accepted"
          ? [content.accepted.length, content.rejectedRows]
          : [0, 0];
        assert.deepEqual(counts, expected, key);
      }
      if (!content.isFaulty) accepted.push(content);
    }
    const filed = new Set(entries.map(({ destination }) => destination));
    assert.equal(filed.size, entries.length, "two entries of the ledger have the same destination");
    const strays = [...tree.keys()].filter((key) => !filed.has(key) && !OTHERS.test(key));
    assert.deepEqual(strays, [], "objects that nobody accounts for");
    return accepted;
  }

  #newContent(): Content {
    const accepted: Sale[] = [], lines = [HEADER];
    const isFaulty = this.#random() < 0.1;
    let rejectedRows = 0;
    for (let rows = 1 + this.#below(12); rows > 0; rows--) {
      const quantity = 1 + this.#below(9), price = BigInt(1 + this.#below(50_000));
      const sale = {
        customer: this.#pick(this.#ids.customer) ?? "",
        store: this.#pick(this.#ids.store) ?? "",
        person: this.#pick(this.#ids.sales_team) ?? "",
        date: `2023-0${1 + this.#below(4)}-${String(1 + this.#below(28)).padStart(2, "0")}`,
        cents: price * BigInt(quantity),
      };
      const start = [sale.customer, sale.store, "sugar", sale.date, sale.person, money(price)];
      // Fewer than minRejectsForShare in a file, so that the others are taken.
      const isBad = rejectedRows < 5 && this.#random() < 0.1;
      const fields = [...start, isBad ? "0" : String(quantity), money(sale.cents)];
      lines.push(fields.join(","));
      if (isBad) rejectedRows++;
      else accepted.push({ ...sale, fields });
    }
    if (isFaulty) lines[0] = HEADER.replace("price", "prize");
    // No two files the same by chance: the names count on.
    lines.push(
      `${this.#ids.customer[0]},${this.#ids.store[0]},note ${++this.#names},2023-01-01,1,1.00,0,0.00`,
    );
    const bytes = new TextEncoder().encode(lines.join("\n") + "\n");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return isFaulty
      ? { sha256, bytes, accepted: [], rejectedRows: 0, isFaulty }
      : { sha256, bytes, accepted, rejectedRows: rejectedRows + 1, isFaulty };
  }

  #newKey(): string {
    return `${SOURCE}2023/store ${1 + this.#below(3)}/sales+${++this.#names}.csv`;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[this.#below(from.length)];
  }
}

/** Tables and marts hold the accepted rows, each once, to the cent. */
function assertTables(sales: readonly Sale[], outcome: Outcome): void {
  const rowsUnder = (prefix: string, ...columns: number[]) =>
    [...outcome].filter(([name]) => name.startsWith(prefix)).flatMap(([, rows]) =>
      rows.map((row) => columns.map((column) => row[column] ?? null))
    );
  const compare = (prefix: string, columns: number[], expected: readonly Row[]) =>
    assertSameRows(rowsUnder(prefix, ...columns), expected, prefix);

  compare("accepted_sales/", [0, 1, 2, 3, 4, 5, 6, 7], sales.map(({ fields }) => fields));
  compare(
    "customer_data_mart/",
    [0, 6, 7],
    sales.map(({ customer, date, cents }) => [customer, date, money(cents)]),
  );
  compare(
    "sales_data_mart/",
    [0, 1, 9, 10],
    sales.map(({ store, person, date, cents }) => [store, person, date, money(cents)]),
  );
  compare(
    "sales_partitioned_data_mart/",
    [0, 8, 9],
    sales.map(({ person, date, cents }) => [person, date, money(cents)]),
  );
  const customers = totalsBy(sales, ({ customer, date }) => [customer, monthOf(date)]);
  compare("table customers_data_mart", [0, 4, 5], customers.map(({ key, cents }) => [...key, money(cents)]));
  const persons = totalsBy(sales, ({ store, person, date }) => [store, person, monthOf(date)]);
  const best = new Map<string, bigint>();
  for (const { key: [store, , month], cents } of persons) {
    const group = `${store} ${month}`, before = best.get(group);
    if (before === undefined || cents > before) best.set(group, cents);
  }
  const expected = persons.map(({ key: [store = "", person = "", month = ""], cents }) => {
    // 1 %, rounded half up to a cent.
    const incentive = cents === best.get(`${store} ${month}`) && cents > 0n ? (cents + 50n) / 100n : 0n;
    return [store, person, month, money(cents), money(incentive)];
  });
  compare("table sales_team_data_mart", [0, 1, 3, 4, 5], expected);
}

function totalsBy(sales: readonly Sale[], keyOf: (sale: Sale) => readonly string[]) {
  const totals = new Map<string, { key: readonly string[]; cents: bigint }>();
  for (const sale of sales) {
    const key = keyOf(sale), name = key.join(" ");
    totals.set(name, { key, cents: (totals.get(name)?.cents ?? 0n) + sale.cents });
  }
  return [...totals.values()];
}

function monthOf(date: string): string {
  return date.slice(0, 7);
}

function money(cents: bigint): string {
  return `${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`;
}
