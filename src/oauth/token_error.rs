//! What the token endpoint refuses with (RFC 6749 section 5.2), and the forms that servers made of it.

use serde_json::Value;

/// An error answer's words. None of them is fit for a terminal yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenError {
    /// `error`.
    pub error: Option<String>,
    /// `error_description`.
    pub description: Option<String>,
    /// What some servers say more precisely: `suberror`, `error_codes`, a nested `error.code`.
    pub suberrors: Vec<String>,
}

/// Reads an error answer. `None`: the body is none, so only the status speaks.
pub fn decode(body: &[u8]) -> Option<TokenError> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let object = document.as_object()?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let mut answer = TokenError {
        error: text(object.get("error")),
        description: text(object.get("error_description")).or_else(|| text(object.get("message"))),
        suberrors: object.get("suberror").and_then(word).into_iter().collect(),
    };
    let codes = object.get("error_codes").and_then(Value::as_array);
    answer.suberrors.extend(codes.into_iter().flatten().filter_map(word));
    if let Some(nested) = object.get("error").and_then(Value::as_object) {
        // `{"error": {"type" | "status" | "code": ..., "message": ...}}`, as APIs beside OAuth answer.
        let named = ["type", "status", "code"].into_iter().filter_map(|key| text(nested.get(key)));
        answer.error = named.into_iter().next();
        answer.description = text(nested.get("message")).or(answer.description);
        answer.suberrors.extend(nested.get("code").and_then(word));
    }
    (answer != TokenError::default()).then_some(answer)
}

/// Codes are numbers at one server and words at another.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_all_their_forms() {
        let cases = [
            (r#"{"error":"invalid_grant","error_description":"gone"}"#, [Some("invalid_grant"), Some("gone")], vec![]),
            (
                r#"{"error":"x","suberror":"bad_token","error_codes":[70008,"b"]}"#,
                [Some("x"), None],
                vec!["bad_token", "70008", "b"],
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
                [Some("overloaded_error"), Some("m")],
                vec![],
            ),
            (r#"{"error":{"code":403,"status":"DENIED"}}"#, [Some("DENIED"), None], vec!["403"]),
            (r#"{"message":"only words"}"#, [None, Some("only words")], vec![]),
            (r#"{"error":7,"error_description":[]  ,"suberror":"s"}"#, [None, None], vec!["s"]),
        ];
        for (body, words, suberrors) in cases {
            let answer = decode(body.as_bytes()).expect(body);
            assert_eq!([answer.error.as_deref(), answer.description.as_deref()], words, "{body}");
            assert_eq!(answer.suberrors, suberrors, "{body}");
        }
    }

    #[test]
    fn what_is_no_error_answer_is_none() {
        for body in ["", "<html>error</html>", "[]", "{}", "null", r#"{"error":"#, r#"{"error":null}"#] {
            assert_eq!(decode(body.as_bytes()), None, "{body}");
        }
    }
}
