//! The device whose kernels are Metal's text: a program that is given plans and gives their buffers back.

use super::library::Library;
use std::cell::{Cell, RefCell};
use std::future::ready;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use wgrad::Error;
use wgrad::kernels::Limits;
use wgrad::plan::{Dispatch, Plan, Step};
use wgrad::verify::{Replay, Runner};

/// The longest that a plan may take. A kernel whose loops do not end takes longer.
const SECONDS: u32 = 300;

struct Program {
    child: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Metal's text on this machine.
pub struct Cpu<'a> {
    library: &'a Library,
    program: RefCell<Option<Program>>,
    pub limits: Limits,
    /// The threads of a SIMD-group.
    pub simd_size: u32,
    /// Each run goes through workgroups and threads in the other direction.
    backwards: Cell<bool>,
}

/// A plan for the program.
struct Message<'a> {
    plan: &'a Plan,
    memory: &'a [Vec<u8>],
    checked: bool,
    backwards: bool,
    simd_size: u32,
}

impl Message<'_> {
    fn write(&self, library: &Library, to: &mut dyn Write) -> io::Result<()> {
        let mut words = |words: &[u32]| to.write_all(bytemuck::cast_slice(words));
        words(&[u32::from(self.backwards), self.simd_size, SECONDS, self.memory.len() as u32])?;
        for buffer in self.memory {
            to.write_all(&(buffer.len() as u64).to_le_bytes())?;
            to.write_all(buffer)?;
        }
        to.write_all(&(self.plan.steps.len() as u32).to_le_bytes())?;
        for step in &self.plan.steps {
            match step {
                Step::Copy { from, to: into, bytes } => {
                    to.write_all(bytemuck::cast_slice(&[0, *from as u32, *into as u32]))?;
                    to.write_all(&bytes.to_le_bytes())?;
                }
                Step::Dispatch(dispatch) => self.dispatch(library, dispatch, to)?,
            }
        }
        to.flush()
    }

    /// As wgpu-hal sets buffers: each binding at the index of its layout, and the sizes of those that have arrays without a length.
    fn dispatch(&self, library: &Library, dispatch: &Dispatch, to: &mut dyn Write) -> io::Result<()> {
        let kernel = self.plan.kernels[dispatch.kernel].clone();
        let missing = |what: &str| io::Error::other(format!("{} has no {what}", kernel.name));
        let number = library.numbers.get(&(kernel.clone(), self.checked)).ok_or_else(|| missing("text"))?;
        let written = &library.kernels[*number];
        let bound: Vec<_> = written.slots.iter().map(|&b| dispatch.bindings.get(b as usize)).collect();
        let bound = bound.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| missing("such binding"))?;
        let [x, y] = dispatch.grid;
        let head = [1, *number as u32, x, y, bound.len() as u32];
        to.write_all(bytemuck::cast_slice(&head))?;
        for bound in &bound {
            to.write_all(&(bound.buffer as u32).to_le_bytes())?;
            to.write_all(&bound.offset.to_le_bytes())?;
        }
        let mut sizes = vec![written.sized.len() as u32];
        sizes.extend(written.sized.iter().map(|&slot| bound[slot].bytes as u32));
        if !written.sized.is_empty() {
            sizes.push(written.slots.len() as u32);
        }
        to.write_all(bytemuck::cast_slice(&sizes))
    }
}

impl<'a> Cpu<'a> {
    pub fn new(library: &'a Library, limits: Limits) -> Self {
        let simd_size = limits.subgroup_size.unwrap_or(32);
        Self { library, program: RefCell::default(), limits, simd_size, backwards: Cell::new(false) }
    }

    fn start(&self) -> io::Result<Program> {
        let piped = || Stdio::piped();
        let mut child = Command::new(&self.library.program).stdin(piped()).stdout(piped()).spawn()?;
        let taken = child.stdin.take().zip(child.stdout.take());
        let (to, from) = taken.ok_or_else(|| io::Error::other("no pipes"))?;
        Ok(Program { child, to: BufWriter::new(to), from: BufReader::new(from) })
    }

    fn run(&self, message: &Message<'_>) -> io::Result<Vec<Vec<u8>>> {
        let mut place = self.program.borrow_mut();
        let mut program = match place.take() {
            Some(program) => program,
            None => self.start()?,
        };
        // One that ended says why on its other pipe.
        let sent = message.write(self.library, &mut program.to);
        let mut word = [0; 4];
        if program.from.read_exact(&mut word).is_err() {
            sent?;
            return Err(io::Error::other(format!("the program ended: {}", program.child.wait()?)));
        }
        if word != [0; 4] {
            program.from.read_exact(&mut word)?;
            let mut text = vec![0; u32::from_le_bytes(word) as usize];
            program.from.read_exact(&mut text)?;
            return Err(io::Error::other(String::from_utf8_lossy(&text).into_owned()));
        }
        let mut memory: Vec<Vec<u8>> = message.memory.iter().map(|buffer| vec![0; buffer.len()]).collect();
        memory.iter_mut().try_for_each(|buffer| program.from.read_exact(buffer))?;
        *place = Some(program);
        Ok(memory)
    }
}

impl Runner for Cpu<'_> {
    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    fn replay<'b>(&'b self, plan: &'b Plan, memory: &'b [Vec<u8>], checked: bool) -> Replay<'b> {
        let backwards = self.backwards.replace(!self.backwards.get());
        let message = Message { plan, memory, checked, backwards, simd_size: self.simd_size };
        let ran = self.run(&message);
        Box::pin(ready(ran.map_err(|e| Error::argument("plan", "a run to its end", e.to_string()))))
    }
}
