// The page of the files, as people use it.

import { PATIENCE, waitFor } from "./checks.mjs";
import { saved } from "./people.mjs";

export class FilesPage {
  constructor(page) {
    this.page = page;
    this.table = page.getByRole("grid", { name: /^Entries of/ });
    this.filter = page.getByRole("searchbox", { name: "Filter by name" });
    this.uploads = page.getByRole("region", { name: "Uploads" });
    this.dialog = page.getByRole("dialog");
  }

  /** Waits until the scripts of the page run. */
  async ready() {
    await this.table.waitFor();
  }

  /** Returns the row of an entry. */
  row(name) {
    return this.table.getByRole("row").filter({ has: this.page.getByRole("link", { name, exact: true }) });
  }

  /** Returns the link of an entry. */
  link(name) {
    return this.table.getByRole("link", { name, exact: true });
  }

  /** Waits until there is an entry. */
  has(name) {
    return this.link(name).waitFor();
  }

  /** Waits until there is no such entry. */
  lacks(name) {
    return this.link(name).waitFor({ state: "detached" });
  }

  /** Returns the names of the entries in their order on the page. */
  async names() {
    const names = await this.table.locator("tbody").getByRole("row").getByRole("link").allTextContents();
    return names.map((name) => name.trim());
  }

  /** Waits until the page shows exactly these entries in this order. */
  shows(expected) {
    const wanted = JSON.stringify(expected);
    let found = "";
    const ready = async () => (found = JSON.stringify(await this.names())) === wanted;
    return waitFor(`the entries ${wanted}`, ready, 15_000).catch((error) => {
      error.message += `; the page shows ${found}`;
      throw error;
    });
  }

  /** Sorts by a column. */
  sortBy(column) {
    return this.table.getByRole("columnheader", { name: column }).getByRole("link").click();
  }

  /** Selects entries by their boxes. */
  async select(...names) {
    for (const name of names) await this.table.getByRole("checkbox", { name: `Select ${name}`, exact: true }).check();
  }

  /** Chooses something in the menu of an entry. */
  async act(name, action) {
    await this.table.getByRole("button", { name: `Actions for ${name}`, exact: true }).click();
    await this.page.getByRole("menuitem", { name: action }).click();
  }

  /** Gives an entry another name by its menu. */
  async rename(name, other) {
    await this.act(name, /^Rename/);
    await this.answer(other, /^Rename/);
  }

  /** Makes a folder. */
  async newFolder(name) {
    await this.page.getByRole("button", { name: "New folder" }).click();
    await this.answer(name, /^(Create|Make)/);
  }

  /** Types a name into the dialog and confirms it. */
  async answer(name, button) {
    await this.dialog.getByLabel("Name", { exact: true }).fill(name);
    await this.dialog.getByRole("button", { name: button }).click();
    await this.dialog.waitFor({ state: "detached" });
  }

  /** Confirms that something is deleted. */
  async confirmDelete() {
    await this.dialog.getByRole("button", { name: "Delete", exact: true }).click();
    await this.dialog.waitFor({ state: "detached" });
  }

  /** Downloads an entry by its menu; returns the name and the path of what was saved. */
  download(name) {
    return saved(this.page, () => this.act(name, /^Download/));
  }

  /** Waits until all uploads have ended well. */
  async uploaded(patience = PATIENCE) {
    await this.uploads.getByRole("status").filter({ hasText: /\bfiles? uploaded$/ }).waitFor({ timeout: patience });
  }
}
