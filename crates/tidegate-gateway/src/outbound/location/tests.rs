//! Paths that try to leave, and addresses with tricks.

use super::super::guard::GuardSettings;
use super::*;
use proptest::prelude::*;

fn guard() -> Guard {
    Guard::new(GuardSettings::default())
}

fn base(url: &str) -> Base {
    Base::parse(url, &guard()).unwrap()
}

fn located(url: &str, path: &str, query: &str) -> Result<String, LocationProblem> {
    base(url)
        .locate(path, query)
        .map(|location| location.0.to_string())
}

#[test]
fn base_addresses() {
    let read = base("HTTPS://API.example:8443/v1/");
    assert!(read.is_secure());
    assert_eq!(read.authority(), "api.example:8443");
    assert_eq!(base("https://api.example:443").authority(), "api.example");
    assert_eq!(
        base("http://[2606:4700::1111]:80").authority(),
        "[2606:4700::1111]"
    );
    for bad in [
        "",
        "api.example",
        "ftp://api.example",
        "https://",
        "https:///x",
        "https://a@b.example",
        "https://a:b@b.example",
        "https://a.example:x",
        "https://a.example:",
        "https://a.example:+80",
        "https://a.example:99999",
        "https://a.example?x",
        "https://a.example#x",
        "https://a.example/x?y",
        "https://a.example/../x",
        "https://a.example\\@b.example",
        "https://a.example/\r\nx",
        "https://a.example:22",
        "https://127.0.0.1",
        "https://[::1]:8080",
        "https://0x7f.1",
        "https://a.example::80",
        "https://[::1]x:80",
    ] {
        assert!(Base::parse(bad, &guard()).is_err(), "{bad}");
    }
}

#[test]
fn paths_are_added() {
    assert_eq!(located("https://a.example", "", ""), Ok("/".to_owned()));
    assert_eq!(
        located("https://a.example/v1/", "", ""),
        Ok("/v1/".to_owned())
    );
    assert_eq!(
        located("https://a.example/v1/", "/x", "a=1"),
        Ok("/v1/x?a=1".to_owned())
    );
    assert_eq!(
        located("https://a.example/v1", "/a%2Fb/c%3Fd;v=1", ""),
        Ok("/v1/a%2Fb/c%3Fd;v=1".to_owned())
    );
    assert_eq!(
        located("https://a.example", "/100%", ""),
        Ok("/100%".to_owned())
    );
}

#[test]
fn paths_that_try_to_leave_are_refused() {
    for path in [
        "x",
        "//evil.example/x",
        "/..",
        "/../x",
        "/a/../../x",
        "/a/./b",
        "/%2e%2e/x",
        "/.%2E/x",
        "/%252e%252e/x",
        "/%25252e%25252e/x",
        "/..%2fx",
        "/..%5cx",
        "/a\\..\\b",
        "/..;a=b/x",
        "/%2e;/x",
        "/a?b",
        "/a#b",
        "/a b",
        "/a\r\nb",
        "/a%0d%0ab",
        "/a%00b",
        "/é",
        "http://evil.example/",
        "@evil.example/",
        "/%2525252525252541",
    ] {
        assert!(located("https://a.example/v1", path, "").is_err(), "{path}");
    }
    assert!(located("https://a.example", "/x", "a#b").is_err());
    assert!(located("https://a.example", "/x", "a b").is_err());
    assert!(located("https://a.example", "/x", "a\r\nb: c").is_err());
    let long = format!("/{}", "x".repeat(LOCATION_BYTES_MAX));
    assert_eq!(
        located("https://a.example", &long, ""),
        Err(LocationProblem::TooLong)
    );
}

#[test]
fn links_stay_on_their_origin() {
    let base = base("https://a.example/v1");
    let follow = |link: &str| {
        base.follow(link, &guard())
            .map(|location| location.0.to_string())
    };
    assert_eq!(follow("/v1/x?page=2"), Ok("/v1/x?page=2".to_owned()));
    assert_eq!(
        follow("https://A.example:443/v1/x?page=2"),
        Ok("/v1/x?page=2".to_owned())
    );
    assert_eq!(
        follow("https://a.example?page=2"),
        Ok("/?page=2".to_owned())
    );
    for elsewhere in [
        "http://a.example/x",
        "https://a.example:8443/x",
        "https://b.example/x",
    ] {
        assert_eq!(
            follow(elsewhere),
            Err(LocationProblem::Elsewhere),
            "{elsewhere}"
        );
    }
    for bad in [
        "//b.example/x",
        "https://a.example@b.example/",
        "https://169.254.169.254/x",
        "x",
        "",
        "https://a.example/../x",
        "https://a.example\\.b.example/",
        "javascript:alert(1)",
        "https://a.example#@b.example/",
    ] {
        assert!(follow(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn whatever_is_mapped_stays_below_the_base(path in "(/|[a-z.%0-9;\\\\]){0,20}", query in "\\PC{0,10}") {
        if let Ok(found) = located("https://a.example/v1", &path, &query) {
            prop_assert!(found.starts_with("/v1"), "{}", found);
            prop_assert!(found.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(!found.split(['/', '?']).any(|segment| segment == ".."));
        }
    }
}
