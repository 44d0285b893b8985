// Files of a drop, folders with everything in them: `{name, file}`, the name with its folders.

const READ_AT_ONCE = 100; // what browsers hand out of a folder, whatever is asked for

/** Must be called while the drop is handled: afterwards the browser forgets what was dropped. */
export function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return Promise.resolve(named(transfer.files));
  return Promise.all(entries.map((entry) => within(entry, ""))).then((found) => found.flat());
}

/** Chosen files; of a chosen folder the browser tells the way to each. */
export const named = (files) => [...files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));

async function within(entry, folder) {
  const name = folder + entry.name;
  if (entry.isFile) return [{ name, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) }];
  const found = [];
  for (const child of await children(entry)) found.push(...(await within(child, `${name}/`)));
  return found.filter(({ name: path }) => !isLitter(path));
}

async function children(entry) {
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    found.push(...some);
    if (some.length < READ_AT_ONCE) return found;
  }
}

/** Hidden files, and what systems leave in folders. */
const isLitter = (path) => path.split("/").some((part) => part.startsWith(".") || ["Thumbs.db", "desktop.ini", "__MACOSX"].includes(part));
