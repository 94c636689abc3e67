//! How a call is wrapped: the older dialect, JSON-RPC 2.0, and batches of that.

use serde_json::{Map, Value, json};

use super::Rpc;
use super::args::Args;
use super::fault::Fault;
use super::methods;
use super::names::Dialect;

/// Calls in one batch.
const BATCH_MAX: usize = 1000;

/// Does what the body of a request says, and gives the body of the answer; `None`: nothing is to
/// be said.
pub(super) fn answer(rpc: &Rpc, body: &[u8]) -> Option<Value> {
    match serde_json::from_slice(body) {
        Ok(Value::Array(calls)) => batch(rpc, calls),
        Ok(Value::Object(call)) => match call.contains_key("jsonrpc") {
            true => new(rpc, call),
            false => Some(old(rpc, call)),
        },
        Ok(_) => {
            let text = "request must be an Array or Object";
            Some(wrap(&Value::Null, Err(Fault::new(Fault::REQUEST, text))))
        }
        Err(error) => {
            let fault = Fault::new(Fault::PARSE, format!("parse error: {error}"));
            // Who speaks the older dialect looks for `result`.
            let is_new = body.windows(9).any(|part| part == b"\"jsonrpc\"");
            Some(if is_new { wrap(&Value::Null, Err(fault)) } else { wrap_old(None, Err(fault)) })
        }
    }
}

fn batch(rpc: &Rpc, calls: Vec<Value>) -> Option<Value> {
    if calls.is_empty() || calls.len() > BATCH_MAX {
        let text = format!("a batch has 1 to {BATCH_MAX} requests");
        return Some(wrap(&Value::Null, Err(Fault::new(Fault::REQUEST, text))));
    }
    let one = |call| match call {
        Value::Object(call) => new(rpc, call),
        _ => {
            let fault = Fault::new(Fault::REQUEST, "request must be an Object");
            Some(wrap(&Value::Null, Err(fault)))
        }
    };
    let answers: Vec<Value> = calls.into_iter().filter_map(one).collect();
    (!answers.is_empty()).then_some(Value::Array(answers))
}

fn old(rpc: &Rpc, mut call: Map<String, Value>) -> Value {
    let tag = call.remove("tag");
    let args = Args::new(Dialect::Old, call.remove("arguments"));
    let done = match call.get("method").and_then(Value::as_str) {
        Some(method) => methods::run(rpc, &Dialect::Old.read(method), &args),
        None => Err(Fault::new(Fault::METHOD, "no method name")),
    };
    wrap_old(tag, done)
}

fn new(rpc: &Rpc, mut call: Map<String, Value>) -> Option<Value> {
    let fault = |text| Some(wrap(&Value::Null, Err(Fault::new(Fault::REQUEST, text))));
    if call.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return fault("JSON-RPC version is not 2.0");
    }
    let id = call.remove("id");
    if !matches!(id, None | Some(Value::Null | Value::Number(_) | Value::String(_))) {
        return fault("id type must be String, Number, or Null");
    }
    let args = Args::new(Dialect::New, call.remove("params"));
    let method = call.get("method").and_then(Value::as_str).unwrap_or_default();
    let done = methods::run(rpc, method, &args);
    // A call without an id wants no answer.
    id.map(|id| wrap(&id, done))
}

fn wrap(id: &Value, done: Result<Map<String, Value>, Fault>) -> Value {
    match done {
        Ok(result) => json!({"jsonrpc": "2.0", "result": result, "id": id}),
        Err(fault) => json!({"jsonrpc": "2.0", "error": fault.object(), "id": id}),
    }
}

fn wrap_old(tag: Option<Value>, done: Result<Map<String, Value>, Fault>) -> Value {
    let mut answer = match done {
        Ok(arguments) => json!({"arguments": arguments, "result": "success"}),
        // Some clients look into `arguments` before they look at `result`.
        Err(fault) => json!({"arguments": {}, "result": fault.words()}),
    };
    if let Some(tag) = tag {
        answer["tag"] = tag;
    }
    answer
}
