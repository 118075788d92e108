//! What is committed is what the code says. `UPDATE=1` writes it.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use tidegate_console::CODES;

#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "the switch of the one who runs the tests"
)]
fn check(path: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    if std::env::var("UPDATE").is_ok() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{} is not what the code says: run the test again with UPDATE=1",
        path.display()
    );
}

#[test]
fn the_description_of_the_api() {
    check("schema/openapi.json", &tidegate_console::openapi_json());
}

#[test]
fn the_page_of_its_errors() {
    let mut page = String::from(
        "# Problems of the admin API\n\n\
         A request that the admin API does not answer gets a problem as `application/problem+json` (RFC 9457).\n\
         Beside the members of that format it has `code` and `cure`, and `problems` where a configuration was refused.\n\n\
         <!-- Made from the code: UPDATE=1 cargo test -p tidegate-console -->\n",
    );
    for row in CODES {
        let (id, title, status, cure) = (row.id, row.title, row.status, row.cure);
        write!(
            page,
            "\n## {id}: {title}\n\nStatus {status}.\nCure: {cure}.\n"
        )
        .unwrap();
    }
    check("docs/src/errors/admin.md", &page);
}
