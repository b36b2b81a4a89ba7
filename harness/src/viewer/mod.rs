//! The store in a browser: a list of runs, their pages and files, comparisons. Loopback only, and nothing but the
//! store's own files: a path that climbs out is refused, whether by `..`, by a link or by an encoding.

mod files;
mod query;

pub use files::{FileError, find as find_file};

use crate::{
    report::{Comparison, html},
    store::{Entry, Store, StoreError},
};
use axum::{
    Router,
    extract::{Path, RawQuery, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use std::{io, net::SocketAddr};
use tokio::net::TcpListener;

/// What files that are no pages may do in a browser: nothing.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// Listens on this port of 127.0.0.1; 0 lets the system choose.
///
/// # Errors
/// What the system says, such as that the port is taken.
pub async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await
}

/// Serves the store until the task is dropped.
///
/// # Errors
/// What the system says when it can serve no longer.
pub async fn serve(listener: TcpListener, store: Store) -> io::Result<()> {
    axum::serve(listener, router(store)).await
}

fn router(store: Store) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/compare", get(compare))
        .route("/runs/{scenario}/{name}", get(to_folder))
        .route("/runs/{scenario}/{name}/", get(page))
        .route("/runs/{scenario}/{name}/{*path}", get(file))
        .layer(middleware::from_fn(only_loopback))
        .with_state(store)
}

/// A page of another site that names 127.0.0.1 as its own address would be let in by the browser: its name gives it
/// away.
async fn only_loopback(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if !matches!(name, "127.0.0.1" | "localhost") {
        return refuse(StatusCode::FORBIDDEN, "this server answers to 127.0.0.1 and localhost only");
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refuse(status: StatusCode, why: &str) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
    (status, kind, format!("{why}\n")).into_response()
}

fn broken(error: &StoreError) -> Response {
    refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
}

fn html_page(page: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], page).into_response()
}

async fn list(State(store): State<Store>, RawQuery(query): RawQuery) -> Response {
    let query = query::pairs(&query.unwrap_or_default());
    let value = |name: &str| query::first(&query, name);
    match store.catalogue() {
        Ok(catalogue) => html_page(html::list(&catalogue, &value("scenario"), &value("verdict"))),
        Err(error) => broken(&error),
    }
}

/// The run of this name, and no other way to name one: names of the store's own list are no paths.
fn run(store: &Store, scenario: &str, name: &str) -> Result<Entry, Box<Response>> {
    let catalogue = store.catalogue().map_err(|error| Box::new(broken(&error)))?;
    let mut entries = catalogue.entries().iter();
    let entry = entries.find(|entry| entry.scenario == scenario && entry.name == name);
    let missing = || refuse(StatusCode::NOT_FOUND, &format!("there is no run {scenario}/{name}"));
    entry.cloned().ok_or_else(|| Box::new(missing()))
}

/// Links within a page are relative to its folder.
async fn to_folder(Path((scenario, name)): Path<(String, String)>, State(store): State<Store>) -> Response {
    match run(&store, &scenario, &name) {
        // Names of the store need no escapes: others were not found.
        Ok(entry) => Redirect::permanent(&format!("/runs/{}/", entry.full_name())).into_response(),
        Err(refused) => *refused,
    }
}

async fn page(Path((scenario, name)): Path<(String, String)>, State(store): State<Store>) -> Response {
    let entry = match run(&store, &scenario, &name) {
        Ok(entry) => entry,
        Err(refused) => return *refused,
    };
    // What is there is shown as it was written; a run of an older quarrel has no page yet.
    if let Ok(path) = files::find(&entry.path, "report.html")
        && let Ok(page) = std::fs::read_to_string(path)
    {
        return html_page(page);
    }
    if entry.model.is_some() {
        return Redirect::temporary(&format!("/runs/{}/report.txt", entry.full_name())).into_response();
    }
    match html::of_folder(&entry.path) {
        Ok(page) => html_page(page),
        Err(error) => refuse(StatusCode::NOT_FOUND, &format!("{error}\nhelp: {}", error.help())),
    }
}

async fn file(
    Path((scenario, name, path)): Path<(String, String, String)>,
    State(store): State<Store>,
) -> Response {
    let entry = match run(&store, &scenario, &name) {
        Ok(entry) => entry,
        Err(refused) => return *refused,
    };
    let read = tokio::task::spawn_blocking(move || {
        let path = files::find(&entry.path, &path)?;
        let kind = files::content_type(&path);
        std::fs::read(&path).map(|bytes| (kind, bytes)).map_err(|_| FileError::Missing)
    });
    match read.await {
        Ok(Ok((kind, bytes))) => {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            // A page brings its own policy.
            if !kind.starts_with("text/html") {
                headers.insert(header::CONTENT_SECURITY_POLICY, NOTHING);
            }
            (headers, bytes).into_response()
        }
        Ok(Err(error @ FileError::Outside)) => refuse(StatusCode::FORBIDDEN, &error.to_string()),
        Ok(Err(error @ FileError::Missing)) => refuse(StatusCode::NOT_FOUND, &error.to_string()),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "the file could not be read"),
    }
}

async fn compare(State(store): State<Store>, RawQuery(query): RawQuery) -> Response {
    let query = query::pairs(&query.unwrap_or_default());
    let names: Vec<&str> =
        query.iter().filter(|(name, _)| name == "run").map(|(_, value)| value.as_str()).collect();
    if names.is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "choose runs in the list, then compare them");
    }
    let mut comparison = Comparison::default();
    for full in names {
        let (scenario, name) = full.split_once('/').unwrap_or((full, ""));
        let entry = match run(&store, scenario, name) {
            Ok(entry) => entry,
            Err(refused) => return *refused,
        };
        match html::compared(&entry.path, entry.full_name()) {
            Ok(run) => comparison.runs.push(run),
            Err(error) => return refuse(StatusCode::NOT_FOUND, &error.to_string()),
        }
    }
    html_page(html::compare(&comparison, |run| Some(format!("/runs/{}/", run.name))))
}
