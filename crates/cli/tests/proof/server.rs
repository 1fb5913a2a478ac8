//! The scripted model server as a process of its own, with its bill and its witness.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use gorgon_testkit::scripted::{Price, Script};
use serde_json::Value;

use crate::machine::{LOOPBACK, Machine, program};

/// What the model costs, with a price that makes every rounding show.
pub(crate) const PRICE: Price = Price {
    input_nano_usd_per_mtok: 2_500_000_000,
    cache_read_nano_usd_per_mtok: 250_000_000,
    cache_write_nano_usd_per_mtok: 3_125_000_000,
    output_nano_usd_per_mtok: 10_000_000_001,
};

const PRICE_SETTINGS: &str =
    "input_usd_per_mtok = 2.5\ncache_read_usd_per_mtok = 0.25\ncache_write_usd_per_mtok = 3.125\noutput_usd_per_mtok = 10.000000001\n";

/// A running server. It ends when this is dropped, or when the test process dies.
pub(crate) struct Server {
    child: Child,
    address: String,
    base_url: String,
    pub(crate) effect_url: String,
}

/// One request that the server saw.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) at_ns: u64,
    pub(crate) path: String,
    pub(crate) prompt: String,
    pub(crate) key: Option<String>,
    pub(crate) charged_nano_usd: u64,
}

impl Server {
    /// Starts a server that plays this script, and makes it the machine's model.
    pub(crate) fn start(machine: &Machine, script: Script) -> Self {
        let script = machine.write(".server/script.json", &serde_json::to_string(&script.at(PRICE)).unwrap());
        let mut command = Command::new(program("gorgon-scripted-server"));
        command.arg("--script").arg(script).arg("--witness").arg(machine.path(".server/witness")).arg("--until-stdin-ends");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut hello = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut hello).unwrap();
        let hello: Value = serde_json::from_str(&hello).unwrap();
        let text = |key: &str| hello[key].as_str().unwrap().to_owned();
        let server = Self { child, address: text("address"), base_url: text("base_url"), effect_url: text("effect_url") };
        machine.write("gorgon.toml", &server.settings());
        server
    }

    fn settings(&self) -> String {
        let base = &self.base_url;
        format!(
            "[defaults]\nprovider = \"scripted\"\nmodel = \"m\"\n\n{LOOPBACK}\n[providers.scripted]\nkind = \"openai\"\nbase_url = \"{base}\"\n\n[models.m]\n{PRICE_SETTINGS}"
        )
    }

    /// What it charged, and for how many answers. What went off its script fails the test.
    #[track_caller]
    pub(crate) fn bill(&self) -> (u64, u64) {
        let bill = self.ask("/__bill");
        assert_eq!(bill["failures"], serde_json::json!([]), "the server was asked off its script");
        (bill["nano_usd"].as_u64().unwrap(), bill["calls"].as_u64().unwrap())
    }

    /// Every request so far, as its witness has it on disk.
    pub(crate) fn requests(&self, machine: &Machine) -> Vec<Request> {
        let lines = machine.read(".server/witness");
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut requests: Vec<Request> = Vec::new();
        for line in &lines {
            let n = usize::try_from(line["n"].as_u64().unwrap()).unwrap();
            if line["event"] == "answer" {
                continue;
            }
            let header =
                |name: &str| line["headers"].as_array().unwrap().iter().find(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap().to_owned());
            let messages = line["body"]["messages"].as_array().into_iter().flatten();
            let prompt = messages.filter(|message| message["role"] == "user").filter_map(|message| message["content"].as_str()).collect();
            let answer = lines.iter().find(|other| other["event"] == "answer" && other["n"] == n);
            requests.push(Request {
                at_ns: line["at_ns"].as_u64().unwrap(),
                path: line["path"].as_str().unwrap().to_owned(),
                prompt,
                key: header("idempotency-key"),
                charged_nano_usd: answer.map_or(0, |answer| answer["charged_nano_usd"].as_u64().unwrap()),
            });
        }
        requests
    }

    fn ask(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its standard input ends it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
