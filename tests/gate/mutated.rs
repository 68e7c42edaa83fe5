// SPDX-License-Identifier: MPL-2.0

//! Pieces of our own graphs with values, names, shapes and bytes changed at random. What the gate lets pass, ONNX Runtime must load or refuse:
//! a process that dies of it is a fault of the gate.
//!
//! A part of them is tried here, and as many as `BLURDM_MUTATIONS` says by `make faults`.

use std::{
    collections::HashMap,
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use gstblurdm::engine::{GraphFile, Search};
use prost::Message;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::common::bundle::messages::{
    Attribute, Graph, Model, Node, Tensor, Type, ValueInfo, attribute_type, data_type,
};

/// How many are tried without `BLURDM_MUTATIONS`.
const SOME: u64 = 3000;

/// The most that one process tries.
const BATCH: u64 = 5000;

/// How long one may take before that is a fault.
const LIMIT: Duration = Duration::from_secs(120);

/// The memory that one may take.
const MEMORY: u64 = 8 << 30;

/// Weights of more bytes make pieces slow, and are no other than smaller ones.
const LARGEST_WEIGHTS: usize = 128 << 10;

/// The batch that a child tries, as "FIRST END".
const CHILD: &str = "BLURDM_MUTATIONS_CHILD";

/// Random numbers that are the same in every run (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % limit.max(1)
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

/// Numbers that sizes, counts and indices break at.
const NUMBERS: [i64; 20] = [
    0,
    -1,
    1,
    2,
    3,
    -2,
    -3,
    7,
    100,
    255,
    256,
    16_384,
    16_385,
    65_536,
    1 << 31,
    (1 << 31) - 1,
    -(1 << 31),
    1 << 40,
    i64::MAX,
    i64::MIN,
];

const OPERATORS: [&str; 56] = [
    "Abs",
    "Add",
    "ArgMax",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvTranspose",
    "CumSum",
    "DFT",
    "DepthToSpace",
    "DequantizeLinear",
    "Div",
    "Einsum",
    "Expand",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "Gemm",
    "GridSample",
    "GroupNormalization",
    "InstanceNormalization",
    "LRN",
    "LayerNormalization",
    "MatMul",
    "MatMulInteger",
    "Max",
    "MaxPool",
    "Mod",
    "Mul",
    "PRelu",
    "Pad",
    "Pow",
    "QLinearConv",
    "QuantizeLinear",
    "Range",
    "ReduceMean",
    "ReduceSum",
    "Reshape",
    "Resize",
    "ScatterND",
    "Shape",
    "Slice",
    "Softmax",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "TopK",
    "Transpose",
    "Unsqueeze",
];

const ATTRIBUTES: [&str; 24] = [
    "axis",
    "axes",
    "perm",
    "strides",
    "dilations",
    "kernel_shape",
    "pads",
    "group",
    "blocksize",
    "to",
    "keepdims",
    "num_outputs",
    "start",
    "end",
    "batch_dims",
    "allowzero",
    "ceil_mode",
    "block_size",
    "num_groups",
    "size",
    "output_padding",
    "output_shape",
    "storage_order",
    "noop_with_empty_axes",
];

const TYPES: [i32; 14] = [
    0,
    data_type::FLOAT,
    data_type::UINT8,
    data_type::INT8,
    data_type::UINT16,
    data_type::INT16,
    data_type::INT32,
    data_type::INT64,
    8,
    data_type::BOOL,
    data_type::FLOAT16,
    data_type::DOUBLE,
    data_type::UINT64,
    data_type::BFLOAT16,
];

/// Our graphs, with what is known of their values.
struct Sources(Vec<Source>);

struct Source {
    model: Model,
    described: HashMap<String, Option<Type>>,
    weights: HashMap<String, usize>,
}

impl Sources {
    fn read() -> Self {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let mut files: Vec<_> = ["blurdm-nano", "blurdm-small"]
            .iter()
            .flat_map(|name| fs::read_dir(models.join(name)).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
            .collect();
        files.sort();
        Self(files.iter().map(|file| Source::read(file)).collect())
    }

    /// Returns a piece of one of the graphs: some nodes that follow each other, with the weights that they read. What other nodes make for
    /// them is an input.
    fn piece(&self, random: &mut Random) -> Model {
        let Source {
            model,
            described,
            weights,
        } = &self.0[random.below(self.0.len())];
        let whole = model.graph.as_ref().unwrap();
        let first = random.below(whole.node.len());
        let nodes = whole.node[first..].iter().take(1 + random.below(16));
        let mut graph = Graph {
            name: Some("piece".into()),
            ..Graph::default()
        };
        let mut known: Vec<&str> = vec![""];
        for node in nodes {
            for name in &node.input {
                if known.contains(&name.as_str()) {
                    continue;
                }
                known.push(name);
                let weights = weights.get(name).map(|&number| &whole.initializer[number]);
                match weights.filter(|tensor| tensor.encoded_len() <= LARGEST_WEIGHTS) {
                    Some(tensor) => graph.initializer.push(tensor.clone()),
                    None => graph.input.push(ValueInfo {
                        name: Some(name.clone()),
                        r#type: described.get(name).cloned().flatten(),
                    }),
                }
            }
            known.extend(node.output.iter().map(String::as_str));
            graph.node.push(node.clone());
        }
        let read: Vec<&String> = graph.node.iter().flat_map(|node| &node.input).collect();
        let ends = graph.node.iter().flat_map(|node| &node.output);
        let ends = ends.filter(|name| !name.is_empty() && !read.contains(name));
        graph.output = ends
            .map(|name| ValueInfo {
                name: Some(name.clone()),
                r#type: described.get(name).cloned().flatten(),
            })
            .collect();
        Model {
            graph: Some(graph),
            ..model.clone()
        }
    }
}

impl Source {
    fn read(file: &Path) -> Self {
        let mut model = Model::decode(fs::read(file).unwrap().as_slice()).unwrap();
        let graph = model.graph.as_mut().unwrap();
        let values = graph.value_info.drain(..).chain(graph.input.clone());
        let mut described: HashMap<_, _> = values.map(|value| (value.name().to_owned(), value.r#type)).collect();
        for tensor in &graph.initializer {
            described.entry(tensor.name().to_owned()).or_default();
        }
        let weights = graph.initializer.iter().enumerate();
        let weights = weights
            .map(|(number, tensor)| (tensor.name().to_owned(), number))
            .collect();
        Self {
            model,
            described,
            weights,
        }
    }
}

/// Returns mutation number `seed` as the bytes of a file.
fn mutation(sources: &Sources, seed: u64) -> Vec<u8> {
    let random = &mut Random::new(seed);
    let mut model = sources.piece(random);
    for _ in 0..random.below(4) {
        change_model(&mut model, random);
    }
    let mut bytes = model.encode_to_vec();
    // Most changes of bytes are refused as damage.
    if random.below(4) == 0 {
        for _ in 0..1 + random.below(3) {
            change_bytes(&mut bytes, random);
        }
    }
    bytes
}

fn change_model(model: &mut Model, random: &mut Random) {
    if random.below(50) == 0 {
        let version = random.below(30) as i64;
        model.opset_import[0].version = Some(version);
    }
    let graph = model.graph.as_mut().unwrap();
    match random.below(12) {
        0..7 => {
            let names: Vec<String> = graph.node.iter().flat_map(|node| &node.output).cloned().collect();
            let weights = graph.initializer.iter().map(|tensor| tensor.name().to_owned());
            let names: Vec<String> = names.into_iter().chain(weights).collect();
            let number = random.below(graph.node.len());
            if let Some(node) = graph.node.get_mut(number) {
                change_node(node, &names, random);
            }
        }
        7..9 => {
            let number = random.below(graph.initializer.len());
            if let Some(tensor) = graph.initializer.get_mut(number) {
                change_tensor(tensor, random);
            }
        }
        9 | 10 => {
            let number = random.below(graph.input.len() + graph.output.len());
            let mut values = graph.input.iter_mut().chain(&mut graph.output);
            if let Some(value) = values.nth(number) {
                change_description(value, random);
            }
        }
        _ => {
            let (a, b) = (random.below(graph.node.len()), random.below(graph.node.len()));
            match random.below(3) {
                0 => drop(graph.node.remove(a)),
                1 => graph.node.swap(a, b),
                _ => graph.node.push(graph.node[a].clone()),
            }
            if graph.node.is_empty() {
                graph.node.push(Node::default());
            }
        }
    }
}

fn change_node(node: &mut Node, names: &[String], random: &mut Random) {
    let other = names.get(random.below(names.len())).cloned().unwrap_or_default();
    match random.below(10) {
        0 => node.op_type = Some(random.one_of(&OPERATORS).into()),
        1 => {
            let number = random.below(node.input.len());
            if let Some(input) = node.input.get_mut(number) {
                *input = other;
            }
        }
        2 => node.input.push(other),
        3 => drop(node.input.pop()),
        4 => {
            let number = random.below(node.input.len());
            if let Some(input) = node.input.get_mut(number) {
                input.clear();
            }
        }
        5 => match random.below(3) {
            0 => node.output.push(format!("more {}", random.below(3))),
            1 => drop(node.output.pop()),
            _ => drop(node.attribute.pop()),
        },
        6 => {
            let name = random.one_of(&ATTRIBUTES);
            let numbers = (0..random.below(7)).map(|_| random.one_of(&NUMBERS)).collect();
            let several = random.below(2) == 0;
            node.attribute.push(Attribute {
                name: Some(name.into()),
                i: (!several).then(|| random.one_of(&NUMBERS)),
                ints: if several { numbers } else { Vec::new() },
                r#type: Some(if several {
                    attribute_type::INTS
                } else {
                    attribute_type::INT
                }),
                ..Attribute::default()
            });
        }
        _ => {
            let number = random.below(node.attribute.len());
            if let Some(attribute) = node.attribute.get_mut(number) {
                change_attribute(attribute, random);
            }
        }
    }
}

fn change_attribute(attribute: &mut Attribute, random: &mut Random) {
    let value = random.one_of(&NUMBERS);
    match random.below(6) {
        0 => attribute.name = Some(random.one_of(&ATTRIBUTES).into()),
        1 => drop(attribute.ints.pop()),
        2 if !attribute.ints.is_empty() => attribute.ints.push(value),
        _ => {
            let number = random.below(attribute.ints.len());
            if let Some(one) = attribute.ints.get_mut(number) {
                *one = value;
            } else if let Some(tensor) = &mut attribute.t {
                change_tensor(tensor, random);
            } else if attribute.i.is_some() {
                attribute.i = Some(value);
            } else if attribute.f.is_some() {
                attribute.f = Some(random.one_of(&[0.0, -1.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE]));
            } else if attribute.s.is_some() {
                attribute.s = Some(
                    random
                        .one_of(&["", "nearest", "reflect", "SAME_UPPER", "ij,jk->ik"])
                        .into(),
                );
            }
        }
    }
}

fn change_tensor(tensor: &mut Tensor, random: &mut Random) {
    let value = random.one_of(&NUMBERS);
    match random.below(8) {
        0 => tensor.data_type = Some(random.one_of(&TYPES)),
        1 => {
            let number = random.below(tensor.dims.len());
            if let Some(side) = tensor.dims.get_mut(number) {
                *side = value;
            }
        }
        // Another shape of as many elements.
        2 => tensor.dims.push(1),
        3 => tensor.dims.reverse(),
        4 => {
            tensor.dims = vec![
                tensor
                    .dims
                    .iter()
                    .fold(1, |product: i64, &side| product.wrapping_mul(side)),
            ]
        }
        // As many elements as the data, of another size.
        5 if tensor.data_type == Some(data_type::INT64) => {
            tensor.data_type = Some(data_type::INT32);
            tensor.dims.push(2);
        }
        _ => {
            let mut raw = tensor.raw_data.clone().unwrap_or_default().to_vec();
            if tensor.data_type == Some(data_type::INT64) {
                let count = raw.len() / 8;
                let number = random.below(count);
                if let Some(bytes) = raw.as_chunks_mut::<8>().0.get_mut(number) {
                    *bytes = value.to_le_bytes();
                }
            } else {
                let number = random.below(raw.len());
                if let Some(byte) = raw.get_mut(number) {
                    *byte = value as u8;
                }
            }
            if tensor.raw_data.is_some() {
                tensor.raw_data = Some(raw.into());
            }
        }
    }
}

fn change_description(value: &mut ValueInfo, random: &mut Random) {
    let Some(tensor) = value.r#type.as_mut().and_then(|r#type| r#type.tensor_type.as_mut()) else {
        return;
    };
    match random.below(4) {
        0 => tensor.elem_type = Some(random.one_of(&TYPES)),
        1 => tensor.shape = None,
        _ => {
            let dims = tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim);
            let mut dims: Vec<_> = dims.collect();
            let number = random.below(dims.len());
            if let Some(dim) = dims.get_mut(number) {
                dim.dim_param = None;
                dim.dim_value = Some(random.one_of(&NUMBERS));
            }
        }
    }
}

fn change_bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(4) {
        0 => drop(bytes.remove(at)),
        1 => bytes.insert(at, random.below(256) as u8),
        2 => bytes[at] ^= 1 << random.below(8),
        _ => bytes[at] = random.below(256) as u8,
    }
}

/// What a child says before each mutation, and of one that has passed the gate.
const TRYING: &str = "trying ";
const LOADING: &str = "loading";
/// What it says when all are done, with how many were loaded.
const DONE: &str = "done ";

/// Tries the mutations that this process was started for. Does nothing in other processes.
#[test]
fn child() {
    let Some(batch) = env::var_os(CHILD) else { return };
    let batch = batch.into_string().unwrap();
    let (first, end) = batch.split_once(' ').unwrap();
    let memory = Rlimit {
        current: Some(MEMORY),
        maximum: Some(MEMORY),
    };
    setrlimit(Resource::As, memory).unwrap();
    let sources = Sources::read();
    let mut loaded = 0;
    // Not the captured output of a test: it must be read when the process is gone.
    let mut out = fs::File::options().write(true).open("/dev/stdout").unwrap();
    for seed in first.parse::<u64>().unwrap()..end.parse().unwrap() {
        write!(out, "\n{TRYING}{seed}\n").unwrap();
        if let Ok(graph) = GraphFile::from_bytes("mutation", mutation(&sources, seed)) {
            writeln!(out, "{LOADING}").unwrap();
            // Most are refused by the runtime.
            graph.load(&Search::default(), LIMIT).ok();
            loaded += 1;
        }
    }
    writeln!(out, "\n{DONE}{loaded}").unwrap();
}

/// How the mutations of a batch went.
#[derive(Default)]
struct Outcome {
    loaded: u64,
    /// The seeds that a process died of or was blocked by, and how it ended.
    faults: Vec<(u64, String)>,
}

/// Tries the mutations from `first` to `end`, in as many processes as it takes.
fn try_batch(mut first: u64, end: u64, outcome: &mut Outcome) {
    while first < end {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "mutated::child", "--nocapture"])
            .env(CHILD, format!("{first} {end}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        let reader = thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        let mut messages = child.stderr.take().unwrap();
        let messages = thread::spawn(move || {
            let mut text = Vec::new();
            messages.read_to_end(&mut text).unwrap();
            let text = String::from_utf8_lossy(&text).into_owned();
            text.lines()
                .rev()
                .find(|line| !line.is_empty())
                .unwrap_or_default()
                .to_owned()
        });
        let (mut last, mut done, mut blocked) = (None, false, false);
        loop {
            match lines.recv_timeout(LIMIT) {
                Ok(line) => {
                    if let Some(seed) = line.strip_prefix(TRYING) {
                        last = Some(seed.parse().unwrap());
                    }
                    outcome.loaded += u64::from(line == LOADING);
                    done |= line.starts_with(DONE);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    blocked = true;
                    child.kill().unwrap();
                }
            }
        }
        reader.join().unwrap();
        let (status, message) = (child.wait().unwrap(), messages.join().unwrap());
        if done {
            return;
        }
        let seed =
            last.unwrap_or_else(|| panic!("the process that tries mutations does not start, {status}: {message}"));
        let how = if blocked {
            "takes too long".to_owned()
        } else {
            format!("{status}: {message}")
        };
        outcome.faults.push((seed, how));
        first = seed + 1;
    }
}

#[test]
fn a_graph_that_passes_the_gate_never_ends_the_process_that_loads_it() {
    let all: u64 = env::var("BLURDM_MUTATIONS").map_or(SOME, |count| count.parse().unwrap());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let batch = BATCH.min(all.div_ceil(workers as u64));
    let next = Mutex::new(0);
    let take = || {
        let mut next = next.lock().unwrap();
        let first = *next;
        *next = all.min(first + batch);
        (first < all).then_some((first, *next))
    };
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let work = || {
            let mut outcome = Outcome::default();
            while let Some((first, end)) = take() {
                try_batch(first, end, &mut outcome);
            }
            outcome
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let loaded: u64 = outcomes.iter().map(|outcome| outcome.loaded).sum();
    let faults: Vec<_> = outcomes.iter().flat_map(|outcome| &outcome.faults).collect();
    println!(
        "{all} mutations, {loaded} passed and were loaded, {} deaths",
        faults.len()
    );
    assert!(loaded > all / 20, "too few pass to say anything: {loaded} of {all}");
    assert!(faults.is_empty(), "mutations that end the process: {faults:?}");
}
