//! Asks a web server.

use super::output::Printer;
use super::{End, Hand, Inner, broken};
use crate::base::job::Ending;
use crate::base::workflow::{Template, Work};
use crate::drivers::web::Question;
use std::collections::BTreeMap;
use url::Url;

pub(super) async fn ask(inner: &Inner, hand: &Hand) -> End {
    let mut printer = match Printer::new(hand, &[]) {
        Ok(printer) => printer,
        Err(why) => return broken(why),
    };
    let asked = tokio::select! {
        asked = answer(inner, hand, &mut printer) => asked,
        () = hand.stop.cancelled() => return End::Stopped,
    };
    printer.finish();
    match asked {
        Ok(found) if printer.missing().is_empty() => End::Over(Ending::Exited(0), found),
        Ok(_) => broken(format!(
            "the answer has no {}",
            printer.missing().join(", ")
        )),
        Err(why) => broken(why.trim_end_matches('.')),
    }
}

async fn answer(
    inner: &Inner,
    hand: &Hand,
    printer: &mut Printer,
) -> Result<BTreeMap<String, String>, String> {
    let Work::Http {
        method,
        url,
        headers,
        body,
        expect,
        json,
    } = &hand.step.work
    else {
        return Err("no address is named".to_owned());
    };
    let fill = |template: &Template| template.fill(&hand.values);
    let address = url.fill_address(&hand.values)?;
    let url =
        Url::parse(&address).map_err(|error| format!("`{address}` is no address: {error}"))?;
    let mut question = Question::new(method, url, hand.step.timeout);
    for (name, value) in headers {
        question.headers.push((name.clone(), fill(value)?));
    }
    question.body = body.as_ref().map(fill).transpose()?;
    let reply = inner.web.ask(&question).await?;
    printer.say(&format!("{method} {address}: {}", reply.status));
    printer.write(reply.body.as_bytes());
    if !reply.body.ends_with('\n') {
        printer.write(b"\n");
    }
    reply.expect(expect)?;
    match json.is_empty() {
        true => Ok(BTreeMap::new()),
        false => reply.values(json),
    }
}
