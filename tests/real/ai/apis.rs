//! As much of what Claude Code and Codex talk to as one answer takes.

use serde_json::{Value, json};

use super::SAID;
use crate::support::site::{Request, Response};

/// Server-sent events, each with its name in its data.
fn events(events: &[Value]) -> Response {
    let line = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    Response::new(200, "text/event-stream", events.iter().map(line).collect::<String>())
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

/// Anthropic's messages.
pub(super) fn messages(request: &Request) -> Response {
    if !(request.method == "POST" && request.path.starts_with("/v1/messages")) {
        return Response::json(404, &json!({}));
    }
    if request.path.contains("count_tokens") {
        return Response::json(200, &json!({ "input_tokens": 1 }));
    }
    let usage = json!({ "input_tokens": 1, "output_tokens": 1 });
    let text = json!([{ "type": "text", "text": SAID }]);
    let message = |content: &Value, stop: Option<&str>| {
        json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "stub", "content": content,
                "stop_reason": stop, "stop_sequence": null, "usage": usage })
    };
    if body(request)["stream"] != true {
        return Response::json(200, &message(&text, Some("end_turn")));
    }
    events(&[
        json!({ "type": "message_start", "message": message(&json!([]), None) }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": SAID } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null }, "usage": usage }),
        json!({ "type": "message_stop" }),
    ])
}

/// OpenAI's responses.
pub(super) fn responses(request: &Request) -> Response {
    if !(request.method == "POST" && request.path.ends_with("/responses")) {
        return Response::json(404, &json!({}));
    }
    let item = json!({ "type": "message", "role": "assistant", "id": "m1",
                       "content": [{ "type": "output_text", "text": SAID }] });
    let usage = json!({ "input_tokens": 1, "input_tokens_details": null, "output_tokens": 1,
                        "output_tokens_details": null, "total_tokens": 2 });
    events(&[
        json!({ "type": "response.created", "response": { "id": "r1" } }),
        json!({ "type": "response.output_item.done", "item": item }),
        json!({ "type": "response.completed", "response": { "id": "r1", "usage": usage } }),
    ])
}

/// An MCP server without tools.
pub(super) fn mcp(request: &Request) -> Response {
    let asked = body(request);
    let Some(id) = asked.get("id").filter(|_| request.method == "POST") else {
        return Response::empty(if request.method == "POST" { 202 } else { 405 });
    };
    let result = match asked["method"].as_str() {
        Some("initialize") => json!({ "protocolVersion": asked["params"]["protocolVersion"], "capabilities": {},
                                      "serverInfo": { "name": "stub", "version": "1" } }),
        _ => json!({}),
    };
    Response::json(200, &json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}
