//! Writes the seeds of every target below the folder given: `seeds FOLDER`.

use std::io::{Error, Result};
use std::path::PathBuf;
use std::{env, fs};

use tidegate_fuzz::TARGETS;

fn main() -> Result<()> {
    let folder = env::args_os()
        .nth(1)
        .ok_or_else(|| Error::other("usage: seeds FOLDER"))?;
    for target in TARGETS {
        let folder = PathBuf::from(&folder).join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), seed)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}
