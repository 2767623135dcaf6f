// Requests to the server. A refusal becomes an error with words for the person.

// The key of the address is kept for this tab and this port alone: a cookie would go to every port of this machine.
const KEY = "opsgram-key";

function keyOf() {
  const given = new URLSearchParams(location.search).get("key");
  try {
    if (given) sessionStorage.setItem(KEY, given);
    const kept = sessionStorage.getItem(KEY);
    if (given && kept === given) history.replaceState(null, "", "/");
    return kept;
  } catch {
    return given; // A browser that keeps nothing: the address goes on to hold it.
  }
}

const key = keyOf();
const keyed = (path) => (key ? `${path}${path.includes("?") ? "&" : "?"}key=${encodeURIComponent(key)}` : path);

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

async function request(path, options = {}) {
  const headers = { ...options.headers, ...(key ? { "X-Opsgram-Key": key } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
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

export const fileAddress = (message) => keyed(`/api/file?chat=${message.chat}&message=${message.id}`);

// Listens to everything that happens; on: {name: (data) => …}, lost: (why) => … when the stream breaks.
export function listen(on, lost) {
  const source = new EventSource(keyed("/api/feed"));
  for (const [name, take] of Object.entries(on)) {
    source.addEventListener(name, (event) => take(JSON.parse(event.data)));
  }
  source.addEventListener("error", async () => {
    lost();
    // A server that refuses ends the stream for good; one that restarts is found again.
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => listen(on, lost), 2000);
    try {
      const refused = await fetch("/api/", { headers: key ? { "X-Opsgram-Key": key } : {} });
      if (refused.status === 403) lost((await refused.text()).trim());
    } catch {
      // It does not answer at all, which is said already.
    }
  });
}
