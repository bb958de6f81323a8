// The token for changes by the present session, which can have begun in another tab since this page was loaded; empty without a session.
export async function token() {
  const answer = await fetch(`${document.documentElement.dataset.root}/choices`, { cache: "no-store" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector("meta[name=csrf-token]")?.content ?? "";
}
