//! Who may talk to the page: only itself. And what it may load: only from itself.
//!
//! Where the scripts are real ones, another user of the machine must not run them through this page: its address holds a
//! key, which the page sends with all that it asks for. It is no cookie: browsers send those to every port of a host, and
//! on another port there may be another user's server. The files of the page are no secret and need no key.
//!
//! It listens on the loopback interface, yet any site that the person has open can send requests
//! there. A foreign name that was pointed here (DNS rebinding) is known by its `Host`, a foreign
//! page by its `Origin` or `Sec-Fetch-Site`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Nothing from elsewhere, no code in attributes, no frame around it, no form to elsewhere.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Lets the page's own requests through and marks every answer.
pub(super) async fn guard(
    State(key): State<Arc<Option<String>>>,
    request: Request,
    next: Next,
) -> Response {
    let judged = judge(request.method(), request.headers());
    let mut response = match (judged, key.as_deref()) {
        (Err(words), _) => (StatusCode::FORBIDDEN, words).into_response(),
        (Ok(()), Some(key)) if is_action(&request) && !holds(&request, key) => {
            let words = "Open the whole address that opsgram sandbox printed; it holds a key.\n";
            (StatusCode::FORBIDDEN, words).into_response()
        }
        (Ok(()), Some(_) | None) => next.run(request).await,
    };
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

fn judge(method: &Method, headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(HOST.as_str()).unwrap_or_default();
    if !is_loopback(host) {
        return Err(
            "This page answers to 127.0.0.1 and localhost only; open it by that address.\n",
        );
    }
    let foreign = "This came from another site; the sandbox listens to its own page only.\n";
    if text(ORIGIN.as_str()).is_some_and(|origin| origin != format!("http://{host}")) {
        return Err(foreign);
    }
    match text("sec-fetch-site") {
        // A link to the page may be followed from anywhere; it changes nothing.
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) if *method == Method::GET && text("sec-fetch-mode") == Some("navigate") => Ok(()),
        Some(_) => Err(foreign),
    }
}

/// Whether it asks for more than a file of the page.
fn is_action(request: &Request) -> bool {
    request.uri().path().starts_with("/api/")
}

/// Whether it brings the key: in a header, or, where a browser sends none of ours, in the address.
fn holds(request: &Request, key: &str) -> bool {
    let header = request.headers().get(HEADER);
    let by_header = header.is_some_and(|own| own.as_bytes() == key.as_bytes());
    let query = request.uri().query().unwrap_or_default();
    let wanted = format!("key={key}");
    let by_address = || query.split('&').any(|part| part == wanted);
    by_header || (*request.method() == Method::GET && by_address())
}

/// The header of the key.
const HEADER: &str = "x-opsgram-key";

/// Whether a `Host` is a name of this machine to itself, whatever the port: it may be forwarded.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(method: Method, pairs: &[(&'static str, &'static str)]) -> bool {
        let pairs = pairs.iter();
        let headers = pairs
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        judge(&method, &headers).is_ok()
    }

    #[test]
    fn only_the_page_itself_is_let_in() {
        let here = ("host", "127.0.0.1:8090");
        for good in [
            &[here][..],
            &[("host", "localhost:1")],
            &[("host", "[::1]:1")],
            &[here, ("origin", "http://127.0.0.1:8090")],
            &[here, ("sec-fetch-site", "same-origin")],
            &[here, ("sec-fetch-site", "none")],
        ] {
            assert!(judged(Method::POST, good), "{good:?}");
        }
        for bad in [
            &[][..],
            &[("host", "evil.example")],
            &[("host", "127.0.0.1.evil.example:8090")],
            &[("host", "evil.example:127.0.0.1")],
            &[("host", "")],
            &[here, ("origin", "http://evil.example")],
            &[here, ("origin", "http://127.0.0.1:8091")],
            &[here, ("origin", "http://localhost:8090")],
            &[here, ("origin", "https://127.0.0.1:8090")],
            &[here, ("origin", "null")],
            &[here, ("sec-fetch-site", "cross-site")],
            &[here, ("sec-fetch-site", "same-site")],
        ] {
            assert!(!judged(Method::POST, bad), "{bad:?}");
        }
    }

    #[test]
    fn a_link_may_lead_here_and_an_image_of_another_page_not() {
        let from = |mode| {
            [
                ("host", "localhost:8090"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", mode),
            ]
        };
        assert!(judged(Method::GET, &from("navigate")));
        assert!(!judged(Method::POST, &from("navigate")));
        assert!(!judged(Method::GET, &from("no-cors")));
    }
}
