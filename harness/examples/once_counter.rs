//! A node of Maelstrom's workload pn-counter that loses updates: it tells the others of each change once, and a message
//! that a partition swallows is never sent again. `harness/docs/maelstrom/pn-counter.toml` shows what that costs.

use serde_json::{Value, json};
use std::io::{BufRead as _, Write as _, stdin, stdout};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut name = String::new();
    let mut others: Vec<String> = Vec::new();
    let mut total = 0;
    for line in stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let (from, body) = (&request["src"], &request["body"]);
        let delta = body["delta"].as_i64().unwrap_or(0);
        let reply = match body["type"].as_str().unwrap_or_default() {
            "init" => {
                name = body["node_id"].as_str().unwrap_or_default().to_owned();
                let all = body["node_ids"].as_array().into_iter().flatten();
                others =
                    all.filter_map(Value::as_str).filter(|other| *other != name).map(str::to_owned).collect();
                json!({"type": "init_ok"})
            }
            "add" => {
                total += delta;
                for other in &others {
                    say(&name, other, json!({"type": "changed", "delta": delta}))?;
                }
                json!({"type": "add_ok"})
            }
            "changed" => {
                total += delta;
                continue;
            }
            "read" => json!({"type": "read_ok", "value": total}),
            other => json!({"type": "error", "code": 10, "text": format!("a counter knows no {other}")}),
        };
        let mut reply = reply;
        reply["in_reply_to"] = body["msg_id"].clone();
        say(&name, from.as_str().unwrap_or_default(), reply)?;
    }
    Ok(())
}

fn say(src: &str, dest: &str, body: Value) -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{}", json!({"src": src, "dest": dest, "body": body}))?;
    out.flush()
}
