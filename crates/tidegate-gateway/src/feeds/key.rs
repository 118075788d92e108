//! The key of cursors where the configuration gives none: a file beside the log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom as _, SystemRandom};
use tidegate_types::secret::Secret;

/// Its name in the data folder.
const FILE: &str = "feeds.key";

/// As many bytes as the hash of the HMAC gives (RFC 2104, section 3).
const KEY_BYTES: usize = 32;

/// Where the key is kept.
#[derive(Clone, Debug)]
pub(crate) struct KeyFile(PathBuf);

/// The key of cursors cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("{path} cannot be read or made")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the disk says.
        source: io::Error,
    },
    /// The file is not one this program made.
    #[error(
        "{path} does not hold {KEY_BYTES} bytes; restore it, or remove it and with it all cursors"
    )]
    Content {
        /// Which file.
        path: PathBuf,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

impl KeyFile {
    pub(crate) fn in_folder(data: &Path) -> Self {
        Self(data.join(FILE))
    }

    /// The key, made at the first call. Blocks on the disk.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub(crate) fn load(&self) -> Result<Secret, KeyError> {
        let failed = |source| KeyError::File {
            path: self.0.clone(),
            source,
        };
        let key = match fs::read(&self.0) {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = vec![0; KEY_BYTES];
                let random = SystemRandom::new();
                random.fill(&mut key).map_err(|_| KeyError::Random)?;
                self.make(&key).map_err(failed)?;
                key
            }
            Err(error) => return Err(failed(error)),
        };
        if key.len() != KEY_BYTES {
            return Err(KeyError::Content {
                path: self.0.clone(),
            });
        }
        Ok(Secret::new(key))
    }

    /// Writes it beside its place first, so that a crash leaves a whole key or none.
    fn make(&self, key: &[u8]) -> io::Result<()> {
        let draft = self.0.with_extension("draft");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&draft)?;
        file.write_all(key)?;
        file.sync_all()?;
        fs::rename(&draft, &self.0)?;
        match self.0.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::in_folder(folder.path());
        let key = file.load().unwrap();
        assert_eq!(key.expose().len(), KEY_BYTES);
        assert_eq!(file.load().unwrap(), key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&file.0).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let other = KeyFile::in_folder(tempfile::tempdir().unwrap().path());
        assert!(matches!(other.load(), Err(KeyError::File { .. })));
    }

    #[test]
    fn a_key_that_was_cut_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::in_folder(folder.path());
        fs::write(&file.0, "short").unwrap();
        assert!(matches!(file.load(), Err(KeyError::Content { .. })));
    }
}
