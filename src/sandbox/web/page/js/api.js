// Requests to the server. A refusal becomes an error with words for the person.

async function answer(response) {
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    body = null;
  }
  if (!response.ok) throw new Error(body?.error || text.trim() || `The sandbox answered ${response.status}.`);
  return body;
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The sandbox does not answer. Is it still running in its terminal?");
  }
  return answer(response);
}

export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const search = new URLSearchParams(given).toString();
  return request(`/api/${path}${search ? `?${search}` : ""}`);
}

export function post(path, body = {}) {
  return request(`/api/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

export function upload(fields, file) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== null && value !== undefined) form.append(name, String(value));
  }
  form.append("file", file, file.name);
  return request("/api/upload", { method: "POST", body: form });
}

export const fileAddress = (message) => `/api/file?chat=${message.chat}&message=${message.id}`;

// Listens to everything that happens; on: {name: (data) => …}, lost: () => … when the stream breaks.
export function listen(on, lost) {
  const source = new EventSource("/api/feed");
  for (const [name, take] of Object.entries(on)) {
    source.addEventListener(name, (event) => take(JSON.parse(event.data)));
  }
  source.addEventListener("error", () => {
    lost();
    // A server that refuses ends the stream for good; one that restarts is found again.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => listen(on, lost), 2000);
    }
  });
}
