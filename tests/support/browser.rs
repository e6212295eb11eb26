//! A browser without a screen: keeps cookies, follows redirects, submits the forms of pages that ask for nothing.

use std::collections::BTreeMap;

use url::Url;

use super::http::{Reply, form, request};

/// No login takes more steps.
const MAX_STEPS: usize = 30;

/// One person's browser at one server.
#[derive(Debug, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Follows redirects from a URL until one leads to another host or port: that one is not visited but returned.
    pub fn until_redirected_away(&mut self, url: &str) -> Url {
        let start = Url::parse(url).expect("a URL");
        match self.walk(start.clone(), true) {
            Ok(away) => away,
            Err(page) => panic!("{} ends with status {}: {}", start.path(), page.status, page.text()),
        }
    }

    /// Follows redirects wherever they lead (a loopback redirect included) and returns the page at their end.
    pub fn visit(&mut self, url: &str) -> Reply {
        match self.walk(Url::parse(url).expect("a URL"), false) {
            Ok(away) => unreachable!("{away} was to be visited"),
            Err(page) => page,
        }
    }

    fn walk(&mut self, start: Url, stop_when_away: bool) -> Result<Url, Reply> {
        let (mut url, mut method, mut body) = (start.clone(), "GET", String::new());
        for _ in 0..MAX_STEPS {
            if stop_when_away && url.origin() != start.origin() {
                return Ok(url);
            }
            let page = self.load(method, &url, &body);
            if let Some(location) = page.header("location").filter(|_| (300..400).contains(&page.status)) {
                url = url.join(location).expect("a URL");
                (method, body) = ("GET", String::new());
            } else if let Some((action, fields)) = next_form(&page.text()).filter(|_| page.status == 200) {
                url = url.join(&action).expect("a URL");
                (method, body) = ("POST", fields);
            } else {
                return Err(page);
            }
        }
        panic!("{} never comes to an end", start.path());
    }

    fn load(&mut self, method: &str, url: &Url, body: &str) -> Reply {
        let jar = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut headers = vec![("Accept", "text/html"), ("Cookie", jar.as_str())];
        if method == "POST" {
            headers.push(("Content-Type", "application/x-www-form-urlencoded"));
        }
        let page = request(method, url, &headers, body);
        for cookie in page.headers("set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            match value.is_empty() {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        page
    }
}

/// The page's form, filled with its hidden fields; `None` where there is none, or nothing hidden in it.
fn next_form(html: &str) -> Option<(String, String)> {
    let form_tag = tags(html, "<form").next()?;
    let action = attribute(form_tag, "action")?;
    let hidden = tags(html, "<input").filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"));
    let mut fields: Vec<_> =
        hidden.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?))).collect();
    if fields.is_empty() {
        return None;
    }
    // The demonstration server's consent page: this person always agrees.
    let agrees = tags(html, "<button").any(|tag| attribute(tag, "value").as_deref() == Some("approve"));
    fields.extend(agrees.then(|| ("decision".to_owned(), "approve".to_owned())));
    let borrowed: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Some((action, form(&borrowed)))
}

fn tags<'a>(html: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    html.match_indices(start).filter_map(|(at, _)| html[at..].split_once('>').map(|(tag, _)| tag))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}="))?;
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split([' ', '/']).next(),
    };
    value.map(|value| value.replace("&#x2F;", "/").replace("&quot;", "\"").replace("&amp;", "&"))
}
