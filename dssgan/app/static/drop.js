// Files of a drop or a choice, folders searched through, in a fixed order.

async function entries(reader) {
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    found.push(...some);
  }
}

async function below(entry, found) {
  if (entry.isFile) {
    found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  } else if (entry.isDirectory) {
    const inside = await entries(entry.createReader());
    inside.sort((one, two) => one.name.localeCompare(two.name));
    for (const each of inside) await below(each, found);
  }
  return found;
}

const audible = (file, extensions) =>
  !file.name.startsWith(".") && extensions.some((end) => file.name.toLowerCase().endsWith(end));

// {files, skipped} of a drop: a file that was dropped itself is always taken.
export async function dropped(transfer, extensions) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const found = { files: [], skipped: 0 };
  const roots = items.map((item) => item.webkitGetAsEntry?.() || item.getAsFile());
  for (const root of roots) {
    if (!root) continue;
    if (!root.isDirectory) {
      found.files.push(root.isFile ? (await below(root, []))[0] : root);
      continue;
    }
    const inside = await below(root, []);
    const songs = inside.filter((file) => audible(file, extensions));
    found.files.push(...songs);
    found.skipped += inside.length - songs.length;
  }
  return found;
}

export function chosen(list, extensions, folder) {
  const all = [...list];
  const files = folder ? all.filter((file) => audible(file, extensions)) : all;
  return { files, skipped: all.length - files.length };
}
