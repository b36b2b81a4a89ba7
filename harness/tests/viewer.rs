//! `quarrel runs serve` on the wire: what it serves, and what it refuses. Requests are written by hand, since clients
//! tidy paths up before they send them.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::{TempDir, tempdir};

const NAME: &str = "20261123T173742Z-2";

/// The server, until it is dropped, and its store.
struct Server {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A store with the example as its run, and secrets around it.
fn serve() -> Server {
    let folder = tempdir().expect("a folder");
    let store = folder.path().join("results");
    let run = store.join("lww-skew").join(NAME);
    fs::create_dir_all(&run).expect("a run's folder");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/example");
    for file in fs::read_dir(example).expect("the example").flatten() {
        fs::copy(file.path(), run.join(file.file_name())).expect("a copy");
    }
    fs::write(folder.path().join("secret"), "SECRET").expect("a secret");
    fs::write(store.join("secret"), "SECRET").expect("a secret");
    symlink(folder.path().join("secret"), run.join("link.txt")).expect("a link");
    let mut child = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(["runs", "serve", "--results"])
        .arg(&store)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("it is piped");
    BufReader::new(out).read_line(&mut line).expect("it says its address");
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    Server { child, address, _folder: folder }
}

/// Status and the whole answer.
fn get(server: &Server, path: &str, host: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&server.address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a bound");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, text)
}

#[test]
fn the_store_is_listed_shown_and_compared() {
    let server = serve();
    let ask = |path: &str| get(&server, path, "localhost:1");
    let (status, list) = ask("/");
    assert_eq!(status, 200);
    assert!(
        list.contains(&format!("/runs/lww-skew/{NAME}/")) && list.contains("x-content-type-options: nosniff")
    );
    assert!(ask("/?verdict=fail").1.contains("no such runs"));
    let (status, page) = ask(&format!("/runs/lww-skew/{NAME}/"));
    assert!(status == 200 && page.contains("id=\"evidence\""), "{status}");
    let (status, moved) = ask(&format!("/runs/lww-skew/{NAME}"));
    assert!(status == 308 && moved.contains(&format!("location: /runs/lww-skew/{NAME}/\r\n")), "{moved}");
    let (status, history) = ask(&format!("/runs/lww-skew/{NAME}/history.jsonl"));
    assert!(status == 200 && history.contains("\"quarrel\":\"history\"") && history.contains("sandbox"));
    let (status, compared) = ask(&format!("/compare?run=lww-skew%2F{NAME}&run=lww-skew/{NAME}"));
    assert!(status == 200 && compared.contains("the same kinds of findings"), "{status}");
    assert_eq!(ask("/compare").0, 400);
}

#[test]
fn paths_that_climb_out_are_refused() {
    let server = serve();
    let run = format!("/runs/lww-skew/{NAME}");
    for path in [
        format!("{run}/../../secret"),
        format!("{run}/..%2f..%2fsecret"),
        format!("{run}/%2e%2e/%2e%2e/secret"),
        format!("{run}/..%5c..%5csecret"),
        format!("{run}//etc/passwd"),
        format!("{run}/%2fetc%2fpasswd"),
        format!("{run}/link.txt"),
        format!("{run}/.lock"),
        format!("{run}/%00"),
        format!("{run}/nothing"),
        "/runs/../secret/".to_owned(),
        "/runs/%2e%2e/secret/".to_owned(),
        "/runs/lww-skew/..%2f..%2fsecret/".to_owned(),
        format!("/runs/lww-skew%2f{NAME}/../"),
        format!("/compare?run=../..%2fsecret&run=lww-skew/{NAME}"),
        "/secret".to_owned(),
        "/../secret".to_owned(),
    ] {
        let (status, answer) = get(&server, &path, "127.0.0.1");
        assert!(matches!(status, 400 | 403 | 404), "{path}: {status}");
        assert!(!answer.contains("SECRET") && !answer.contains("root:"), "{path}: {answer}");
    }
    // The same folder does serve what is in it: refusals are not all it can do.
    assert_eq!(get(&server, &format!("{run}/run.json"), "127.0.0.1").0, 200);
}

#[test]
fn a_page_of_another_site_is_refused() {
    let server = serve();
    assert_eq!(get(&server, "/", "evil.example").0, 403);
    assert_eq!(get(&server, "/", "127.0.0.1.evil.example:80").0, 403);
    assert_eq!(get(&server, "/", "127.0.0.1:8080").0, 200);
}
