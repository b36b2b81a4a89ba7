//! The JSON Schema of scenarios, from the types: editors complete and check what people write.

use super::Scenario;

/// The schema as indented JSON, ending in a newline. It is committed as `harness/docs/scenario.schema.json`.
#[must_use]
pub fn schema_json() -> String {
    let mut schema = schemars::schema_for!(Scenario);
    schema.insert("title".to_owned(), "A scenario of quarrel".into());
    let mut json = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    json.push('\n');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::{fs, path::Path};

    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../harness/docs/scenario.schema.json");
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, schema_json()).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == schema_json(), "run `UPDATE=1 cargo test -p quarrel-workloads schema`");
    }

    /// Collects the properties without a description.
    fn undocumented(at: &str, value: &Value, found: &mut Vec<String>) {
        let Value::Object(fields) = value else {
            if let Value::Array(items) = value {
                items.iter().for_each(|item| undocumented(at, item, found));
            }
            return;
        };
        for (name, value) in fields {
            if name == "properties" {
                for (property, schema) in value.as_object().unwrap() {
                    // A variant's own description stands beside its one property.
                    let variant = at.ends_with(".oneOf") && fields.contains_key("description");
                    if schema.get("description").is_none() && !variant {
                        found.push(format!("{at}.{property}"));
                    }
                }
            }
            undocumented(&format!("{at}.{name}"), value, found);
        }
    }

    #[test]
    fn every_key_is_documented() {
        let mut found = Vec::new();
        undocumented("", &serde_json::from_str(&schema_json()).unwrap(), &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }
}
