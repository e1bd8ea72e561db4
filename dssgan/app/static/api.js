// Requests to the server; every failure is one line of text.

export async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("the server does not answer: is python -m dssgan.app still running?");
  }
  if (answer.ok) return answer;
  let text = `the server answered ${answer.status}`;
  try {
    text = (await answer.json()).error || text;
  } catch { /* no JSON: the number says it */ }
  throw new Error(text);
}

export const json = async (path, options) => (await request(path, options)).json();

// Upload a file with progress; resolves with the job.
export function upload(file, query, onProgress) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", `/api/jobs?${new URLSearchParams(query)}`);
    sending.upload.onprogress = (event) => onProgress(event.loaded / Math.max(1, event.total));
    sending.onerror = () => reject(new Error("the upload was broken off: try again"));
    sending.onload = () => {
      let answer = {};
      try { answer = JSON.parse(sending.responseText); } catch { /* no JSON */ }
      if (sending.status === 201) resolve(answer);
      else reject(new Error(answer.error || `the server answered ${sending.status}`));
    };
    sending.send(file);
  });
}

// Download a file that may first have to be made; a failure is told, not saved.
export async function download(path) {
  const head = await fetch(path, { method: "HEAD" }).catch(() => null);
  if (!head || !head.ok) await request(path);
  const link = document.createElement("a");
  link.href = path;
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
}
