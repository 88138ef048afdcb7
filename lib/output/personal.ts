/**
 * Names of fields that tell something about a person, which the log hides.
 *
 * They are the personal columns of the dimensions, whatever a query puts before them: `address` is personal, and so is
 * `sales_person_address`.
 *
 * @module
 */

/** The columns of the shipped dimensions that tell something about a person. */
const SHIPPED_COLUMNS = [
  "first_name",
  "last_name",
  "address",
  "pincode",
  "phone_number",
  "store_manager_name",
];
/** What marts and people make of them, whatever the dimensions are. */
const DERIVED_NAMES = ["full_name", "sales_person_name", "manager_name", "phone"];

/** What one process hides. It may grow once the configuration is known, never shrink. */
export class PersonalFields {
  readonly #names = new Set(DERIVED_NAMES);
  #pattern = /^$/;

  /** `columns` are the personal columns; default: those of the shipped dimensions. */
  constructor(columns: Iterable<string> = SHIPPED_COLUMNS) {
    this.add(columns);
  }

  /** Hides these columns too. */
  add(columns: Iterable<string>): void {
    for (const column of columns) this.#names.add(column);
    const names = [...this.#names].map((name) => RegExp.escape(name)).join("|");
    // `name` alone may be anybody's; what ends in it is mostly a thing's, as product_name.
    this.#pattern = new RegExp(`^(name|(.*_)?(${names}))$`, "is");
  }

  /** Matches the names of fields that are to be hidden: a column's, or one that ends in `_` and a column's. */
  get pattern(): RegExp {
    return this.#pattern;
  }
}
