//! The Explorer, as a browser sees it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

/// Ends its process whatever becomes of the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_explorer_shows_what_may_happen_next_with_a_diagram_of_each_path() {
    let words = ["model", "--explore", "smoke", "--leaders", "2", "--writes", "2", "--property", "converged"];
    let child = Command::new(env!("CARGO_BIN_EXE_quarrel")).args(words).stderr(Stdio::piped()).spawn();
    let mut child = Ended(child.unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let line = lines.by_ref().map(Result::unwrap).find(|line| line.contains("http://")).unwrap();
    assert!(line.starts_with("watching converged"), "{line}");
    let address = line.split("http://").nth(1).unwrap().split(',').next().unwrap().to_owned();
    // It says where it will be, and is there a moment later.
    let mut attempts = 0..500;
    while TcpStream::connect(&address).is_err() {
        assert!(attempts.next().is_some(), "the Explorer does not answer");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let next = get(&address, "/.states/0/");
    assert!(next.contains(r#""action":"c0 calls""#), "{next}");
    assert!(next.contains("quarrel-diagram"), "{next}");
}
