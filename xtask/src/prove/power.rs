//! `prove power`: losses of power under load, and the same without the sync, which must be noticed.
//!
//! Two kinds of disk. A real ext4 file system on a loop device is shut down under the node by its own
//! ioctl, with what the page cache holds lost; then it is mounted again and its journal replayed. Where that is not
//! allowed, and beside it, a layer between the node and the C library holds writes back until the sync
//! and tears them at sectors.

mod image;
mod shim;

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;

use self::image::{Flag, Image};
use self::shim::{Mode, Shim};
use super::crash::{Breach, Node, Plan, Random, Setup, Tallied, Trial};
use super::figures::Figures;
use super::program::{Profile, build};
use crate::catalogue::{Item, again_optimised};
use crate::workspace::{Workspace, stdout};

/// The proof.
pub(crate) const ITEM: Item = Item {
    name: "power",
    about: "power losses: nothing acknowledged is lost, and without the sync it is",
    run,
};

/// First acknowledgements since the last loss.
const LEAST: usize = 1000;
const LEAST_SAMPLE: usize = 200;

/// The load goes on for so long at most after the power is cut: what is acknowledged then counts too.
const AFTER_CUT: Duration = Duration::from_millis(50);

/// Losses without the sync; one of them must be noticed, and nearly always the first is.
const SABOTAGES: u32 = 3;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask prove power", no_binary_name = true)]
struct Args {
    /// Losses of power on each kind of disk
    #[arg(long, default_value_t = 50)]
    losses: u32,
    /// A short run in a development build: 3 losses on each, with less between them
    #[arg(long)]
    sample: bool,
    /// Where chance begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The program instead of the one that is built here
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Whether there is what every power loss needs, a C compiler. That a real file system can be mounted is
/// found out on the way.
pub(super) fn possible() -> bool {
    stdout(Command::new("cc").arg("--version")).is_ok()
}

/// Everything a trial needs to know.
struct Proof<'a> {
    args: &'a Args,
    shim: Shim,
    program: PathBuf,
    folder: PathBuf,
}

fn run(workspace: &Workspace, args: &[String]) -> Result<bool> {
    let parsed = Args::parse_from(args);
    if !parsed.sample
        && let Some(done) = again_optimised(workspace, "prove", ITEM.name, args)?
    {
        return Ok(done);
    }
    let figures = prove(workspace, &parsed)?;
    print!("{figures}");
    figures.save(workspace, parsed.sample)?;
    Ok(figures.good())
}

fn prove(workspace: &Workspace, args: &Args) -> Result<Figures> {
    let profile = if args.sample {
        Profile::Development
    } else {
        Profile::Release
    };
    let folder = workspace.target().join("proofs/power");
    let proof = Proof {
        args,
        shim: Shim::compile(&folder.join("shim"))?,
        program: build(workspace, profile, args.program.clone())?,
        folder,
    };
    let mut figures = Figures::new(ITEM.name);
    figures.say("seed", args.seed);
    figures.say("build", profile.of(args.program.is_some()));
    match Image::new(&proof.folder) {
        Ok(image) => proof.on_ext4(image, &mut figures)?,
        Err(error) => {
            println!("SKIPPED: power losses of a real file system: {error:#}");
            figures.section("ext4 on a loop device: SKIPPED, it is not allowed here");
        }
    }
    proof.on_layer(&mut figures)?;
    Ok(figures)
}

impl Proof<'_> {
    fn losses(&self) -> u32 {
        if self.args.sample {
            3
        } else {
            self.args.losses
        }
    }

    fn plan(&self) -> Plan {
        Plan {
            seed: self.args.seed,
            senders: 16,
            large: 2,
            window: usize::MAX,
            least: if self.args.sample {
                LEAST_SAMPLE
            } else {
                LEAST
            },
            within: Duration::from_millis(300),
        }
    }

    fn setup(&self, name: &str, data: PathBuf) -> Setup {
        Setup {
            program: self.program.clone(),
            folder: self.folder.join(name),
            data,
            segment: "4MiB",
            size_max: "64GiB",
            env: Vec::new(),
        }
    }

    fn on_ext4(&self, image: Image, figures: &mut Figures) -> Result<()> {
        let setup = self.setup("ext4", image.folder().join("data"));
        let mut trial = Trial::new(setup.clone(), self.plan())?;
        let mut random = Random::of(self.args.seed, 1);
        for loss in 0..self.losses() {
            let flag = Flag::of(loss);
            let after = AFTER_CUT.mul_f64(random.below(1000) as f64 / 1000.0);
            trial.live(|node| self.lose(&image, node, flag, after))?;
            if !trial.check()? {
                break;
            }
            told("ext4", loss + 1, self.losses());
        }
        let tallied = trial.finish()?;
        self.report(
            "ext4 on a loop device, shut down by its ioctl under load",
            &tallied,
            figures,
        );
        self.keep_or_remove(&setup, &tallied)?;
        drop(image);

        for sabotage in 0..SABOTAGES {
            let image = Image::new(&self.folder)?;
            let env = self.shim.env(Mode::NoSync, self.args.seed);
            let setup = Setup {
                env,
                ..self.setup("ext4-nosync", image.folder().join("data"))
            };
            let mut trial = Trial::new(setup.clone(), self.plan())?;
            trial.live(|node| self.lose(&image, node, Flag::NoLogFlush, Duration::ZERO))?;
            if noticed(trial, &setup, sabotage, figures)? {
                break;
            }
        }
        Ok(())
    }

    /// The power goes, the load goes on for a moment, the process ends, the machine comes back.
    fn lose(&self, image: &Image, node: Node, flag: Flag, after: Duration) -> Result<()> {
        image.cut(&self.shim.cut, flag)?;
        thread::sleep(after);
        node.kill()?;
        image.restore()
    }

    fn on_layer(&self, figures: &mut Figures) -> Result<()> {
        let data = |name: &str| self.folder.join(name).join("data");
        let env = self.shim.env(Mode::Hold, self.args.seed);
        let setup = Setup {
            env,
            ..self.setup("layer", data("layer"))
        };
        Trial::remove(&setup)?;
        let mut trial = Trial::new(setup.clone(), self.plan())?;
        for loss in 0..self.losses() {
            trial.live(Node::kill)?;
            if !trial.check()? {
                break;
            }
            told("layer", loss + 1, self.losses());
        }
        let tallied = trial.finish()?;
        self.report(
            "a layer that holds writes back until the sync and tears them at sectors",
            &tallied,
            figures,
        );
        if !self.args.sample {
            figures.demand(tallied.torn > 0, || "no frame was ever torn".to_owned());
        }
        self.keep_or_remove(&setup, &tallied)?;

        for sabotage in 0..SABOTAGES {
            let env = self.shim.env(Mode::HoldNoSync, self.args.seed);
            let setup = Setup {
                env,
                ..self.setup("layer-nosync", data("layer-nosync"))
            };
            Trial::remove(&setup)?;
            let mut trial = Trial::new(setup.clone(), self.plan())?;
            trial.live(Node::kill)?;
            if noticed(trial, &setup, sabotage, figures)? {
                break;
            }
        }
        Ok(())
    }

    fn report(&self, title: &str, tallied: &Tallied, figures: &mut Figures) {
        figures.section(title);
        figures.say("losses of power", self.losses());
        figures.say(
            "acknowledged between two losses, at least",
            self.plan().least,
        );
        figures.tallied(tallied);
    }

    fn keep_or_remove(&self, setup: &Setup, tallied: &Tallied) -> Result<()> {
        if tallied.breaches.is_empty() {
            return Trial::remove(setup);
        }
        println!(
            "history and log lines are kept in {}",
            setup.folder.display()
        );
        Ok(())
    }
}

fn told(disk: &str, loss: u32, losses: u32) {
    if loss.is_multiple_of(10) {
        println!("{disk}: {loss} of {losses} losses");
    }
}

/// Whether the checker saw that the sync was missing. If it never does, the proof proves nothing.
fn noticed(mut trial: Trial, setup: &Setup, sabotage: u32, figures: &mut Figures) -> Result<bool> {
    let good = trial.check()?;
    let tallied = trial.tally();
    let lost = tallied.breaches.count(Breach::Lost);
    if lost > 0 {
        figures.say(
            "without the sync, lost of acknowledged",
            format!("{lost} of {}", tallied.acknowledged),
        );
    } else if sabotage + 1 == SABOTAGES {
        figures.demand(false, || {
            format!("without the sync nothing acknowledged was lost in {SABOTAGES} losses")
        });
    }
    if good && lost > 0 {
        bail!("the checker counts what is lost and calls it good");
    }
    Trial::remove(setup)?;
    Ok(lost > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_losses_are_of_the_hardest_kind() {
        let hard = (0..50)
            .filter(|loss| Flag::of(*loss) == Flag::NoLogFlush)
            .count();
        assert!(hard > 30, "{hard}");
        assert!((0..50).any(|loss| Flag::of(loss) == Flag::LogFlush));
    }

    #[test]
    fn the_pieces_compile_without_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let shim = Shim::compile(folder.path()).unwrap();
        assert!(shim.cut.exists());
        assert_eq!(shim.env(Mode::HoldNoSync, 7)[1].1, "hold-nosync");
    }
}
