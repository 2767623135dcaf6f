//! The files of the page, as they were when the program was built.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file: where it is, what it is, what it says.
type Asset = (&'static str, &'static str, &'static str);

macro_rules! asset {
    ($path:literal, $kind:expr) => {
        (
            concat!("/", $path),
            $kind,
            include_str!(concat!("page/", $path)),
        )
    };
}

/// All of them.
pub(super) const ASSETS: [Asset; 20] = [
    ("/", HTML, include_str!("page/index.html")),
    asset!("icon.svg", SVG),
    asset!("css/base.css", CSS),
    asset!("css/chats.css", CSS),
    asset!("css/chat.css", CSS),
    asset!("css/composer.css", CSS),
    asset!("css/panel.css", CSS),
    asset!("js/main.js", JS),
    asset!("js/api.js", JS),
    asset!("js/dom.js", JS),
    asset!("js/store.js", JS),
    asset!("js/text.js", JS),
    asset!("js/message.js", JS),
    asset!("js/chat.js", JS),
    asset!("js/chats.js", JS),
    asset!("js/composer.js", JS),
    asset!("js/notice.js", JS),
    asset!("js/theme.js", JS),
    asset!("js/panel.js", JS),
    asset!("js/calls.js", JS),
];

/// Any address that is no action.
pub(super) async fn serve(method: Method, uri: Uri) -> Response {
    let found = ASSETS.iter().find(|(path, _, _)| *path == uri.path());
    match (found, method) {
        (Some((_, kind, text)), Method::GET | Method::HEAD) => {
            ([(CONTENT_TYPE, HeaderValue::from_static(kind))], *text).into_response()
        }
        (Some(_), _) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        (None, _) => (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response(),
    }
}
