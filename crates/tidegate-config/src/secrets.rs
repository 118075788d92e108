//! Secrets by reference: the file says where a secret stands, never what it is.

use std::fmt;
use std::io;

use tidegate_types::secret::Secret;

/// The largest secret, in bytes. Keys are far shorter; a larger file was named by mistake.
pub(crate) const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Where secrets come from. The caller does the reading, so that this crate touches neither
/// environment nor files.
pub trait SecretSource {
    /// The value of an environment variable, `None` if it is not set.
    fn env(&self, name: &str) -> Option<String>;

    /// The content of a file. A relative path starts at the folder of the configuration file.
    ///
    /// # Errors
    /// Whatever keeps the file from being read.
    fn file(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// A reference as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// `${env:NAME}`
    Env(String),
    /// `${file:PATH}`
    File(String),
}

impl SecretRef {
    /// Reads a reference; `None` if the text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix("${")?.strip_suffix('}')?;
        let (kind, place) = inner.split_once(':')?;
        match kind {
            "env" if is_variable(place) => Some(Self::Env(place.to_owned())),
            "file" if !place.is_empty() && !place.contains('}') => {
                Some(Self::File(place.to_owned()))
            }
            _ => None,
        }
    }

    /// Fetches the secret; trailing line breaks of a file are not part of it.
    pub(crate) fn resolve(&self, source: &dyn SecretSource) -> Result<Secret, Unresolved> {
        let bytes = match self {
            Self::Env(name) => source.env(name).ok_or(Unresolved::NotSet)?.into_bytes(),
            Self::File(path) => {
                let mut bytes = source.file(path).map_err(Unresolved::Unreadable)?;
                while bytes.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
                    bytes.pop();
                }
                bytes
            }
        };
        match bytes.len() {
            0 => Err(Unresolved::Empty),
            1..=SECRET_BYTES_MAX => Ok(Secret::new(bytes)),
            _ => Err(Unresolved::TooLong),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "${{env:{name}}}"),
            Self::File(path) => write!(f, "${{file:{path}}}"),
        }
    }
}

/// The rule of POSIX for names of variables (XBD 3.216): letters, digits, `_`, no digit first.
fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Why a reference gives no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unresolved {
    #[error("the variable is not set")]
    NotSet,
    #[error("the file cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("it is empty")]
    Empty,
    #[error("it is longer than {SECRET_BYTES_MAX} bytes")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl SecretSource for Fixed {
        fn env(&self, name: &str) -> Option<String> {
            (name == "KEY").then(|| "value".to_owned())
        }

        fn file(&self, path: &str) -> io::Result<Vec<u8>> {
            match path {
                "key" => Ok(b"from file\r\n\n".to_vec()),
                "empty" => Ok(b"\n".to_vec()),
                "large" => Ok(vec![b'x'; SECRET_BYTES_MAX + 1]),
                _ => Err(io::Error::from(io::ErrorKind::NotFound)),
            }
        }
    }

    fn resolve(text: &str) -> Result<Secret, String> {
        let reference = SecretRef::parse(text).ok_or("no reference")?;
        reference.resolve(&Fixed).map_err(|error| error.to_string())
    }

    #[test]
    fn references_are_resolved() {
        assert_eq!(resolve("${env:KEY}"), Ok(Secret::new("value")));
        assert_eq!(resolve("${file:key}"), Ok(Secret::new("from file")));
        for (text, why) in [
            ("${env:OTHER}", "not set"),
            ("${file:none}", "cannot be read"),
            ("${file:empty}", "empty"),
            ("${file:large}", "longer"),
            ("${env:1A}", "no reference"),
            ("${env:}", "no reference"),
            ("${vault:x}", "no reference"),
            ("whsec_x", "no reference"),
        ] {
            let error = resolve(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
