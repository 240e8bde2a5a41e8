"""The demo shop: a customer's page with the snippet that customers paste."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote

from aiohttp import web

from widget_gateway import assets, catalogue
from widget_gateway.access import is_address, is_trusted
from widget_gateway.catalogue import Catalogue, HelpText, Product
from widget_gateway.config import Settings
from widget_gateway.demo_texts import LANGUAGES, Texts, texts_for

TONES = 6
SUMMARY_CHARACTERS = 120

_HOST = re.compile(r"(?P<name>[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
_LOCALHOST = "localhost"

_ICON_PATHS = {
    "leaf": "M5 19C4 10 9 4 20 4c1 11-4 16-12 15M5 19c2-5 6-8 10-10",
    "bean": "M7 4c6-2 12 3 11 10-1 5-6 8-10 5S3 6 7 4zM8 5c1 5 6 6 7 14",
    "cup": "M4 9h13v5a6 6 0 0 1-12 0zM17 10h2a2 2 0 0 1 0 5h-2M8 6V3M12 6V3M5 21h12",
    "gift": "M4 9h16v4H4zM6 13v7h12v-7M12 9v11M12 9C8 9 7 4 10 4s2 5 2 5 0-5 3-5 1 5-3 5z",
}
# The picture of a category, by a word in its name; a leaf otherwise.
_ICON_WORDS = {"кофе": "bean", "какао": "bean", "посуд": "cup", "подар": "gift", "к чаю": "cup"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """The response to one request."""

    texts: Texts
    origin: str
    path: str
    shop: str
    catalogue: Catalogue


Content = Callable[[Page, web.Request], str]

CATALOGUE = web.AppKey("catalogue", Catalogue)
# Read on import: no file is opened while the event loop runs.
TEMPLATE = Template(assets.read("demo.html"))
ASSETS = {f"/{name}": assets.load(name) for name in ("demo.css", "demo.js")}


def add_routes(app: web.Application, settings: Settings) -> None:
    """Needs `settings.demo_shop`."""
    app.on_startup.append(CatalogueReader(settings.demo_catalogue))
    for path, content in (("/", home), ("/catalog/{product_id}", product_page), ("/help", help_page)):
        app.router.add_get(path, PageHandler(settings=settings, content=content).handle)
    for path, asset in ASSETS.items():
        app.router.add_get(path, asset.handle)


@dataclass(frozen=True)
class CatalogueReader:
    """Reads the file at the start, so that a wrong path stops the process."""

    path: Path | None

    async def __call__(self, app: web.Application) -> None:
        app[CATALOGUE] = await asyncio.to_thread(catalogue.read, self.path)


@dataclass(frozen=True, kw_only=True)
class PageHandler:
    """One kind of page."""

    settings: Settings
    content: Content

    async def handle(self, request: web.Request) -> web.Response:
        if not is_served(request.host, self.settings):
            raise web.HTTPMisdirectedRequest(text="not this Host: see KLADEZ_GATEWAY_DEMO_HOSTS\n")
        page = Page(
            texts=texts_for(request.query.get("lang", ""), request.headers.get("Accept-Language", "")),
            origin=f"{scheme_of(request, self.settings)}://{request.host}",
            path=request.path,
            shop=str(self.settings.demo_shop),
            catalogue=request.app[CATALOGUE],
        )
        return respond(page, self.content(page, request))


def is_served(host: str, settings: Settings) -> bool:
    """Whether the page is served under this name.

    Under a foreign name, another site's script could act as this page.
    """
    parsed = _HOST.fullmatch(host)
    if parsed is None:
        return False
    name = parsed["name"].strip("[]").lower()
    return is_address(name) or name in (_LOCALHOST, *(one.lower() for one in settings.demo_hosts))


def scheme_of(request: web.Request, settings: Settings) -> str:
    """The visitor's scheme, which only a trusted proxy knows."""
    forwarded = request.headers.get("X-Forwarded-Proto", "")
    believed = is_trusted(request.remote or "", settings.trusted_proxies) and forwarded in ("http", "https")
    return forwarded if believed else request.scheme


def respond(page: Page, content: str) -> web.Response:
    headers = {
        "Content-Security-Policy": policy(page.origin),
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Language, Host",
    }
    text = TEMPLATE.substitute(frame(page), content=content)
    return web.Response(text=text, content_type="text/html", headers=headers)


def policy(origin: str) -> str:
    """The strictest content policy that the widget allows: no inline code or style, no HTML from strings."""
    socket = origin.replace("http", "ws", 1)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src data:",
            f"connect-src 'self' {socket}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def frame(page: Page) -> dict[str, str]:
    """The parts that every page shares, as HTML."""
    texts = page.texts
    snippet = f'<script async src="{page.origin}/widget.js" data-shop-id="{escape(page.shop)}"></script>'
    return {
        "lang": texts.language,
        "title": escape(texts.title),
        "brand": escape(texts.brand),
        "nav_label": escape(texts.nav_label),
        "language_label": escape(texts.language_label),
        "nav": navigation(page),
        "languages": "".join(language_link(page, code) for code in LANGUAGES),
        "footer": escape(texts.footer),
        "snippet_label": escape(texts.snippet_label),
        "snippet_text": escape(snippet),
        "snippet": snippet,
        "icon_leaf": icon("leaf"),
    }


def navigation(page: Page) -> str:
    if not page.catalogue.products:
        return ""
    language = f"?lang={page.texts.language}"
    links = {f"/{language}#catalogue": page.texts.catalogue, f"/help{language}": page.texts.help}
    return "".join(f'<a href="{url}">{escape(name)}</a>' for url, name in links.items())


def language_link(page: Page, code: str) -> str:
    current = ' aria-current="true"' if code == page.texts.language else ""
    return f'<a href="{escape(page.path)}?lang={code}" lang="{code}"{current}>{code}</a>'


def home(page: Page, _request: web.Request) -> str:
    groups = page.catalogue.by_category()
    return hero(page.texts) + (shelves(page, groups) if groups else "")


def hero(texts: Texts) -> str:
    questions = "".join(question_button(question, question) for question in texts.questions)
    return (
        f'<div class="hero"><div><h1>{escape(texts.headline)}</h1><p>{escape(texts.lead)}</p>'
        f'<div class="chips">{question_button(texts.open_chat, "")}{questions}</div></div>{icon("cup")}</div>'
    )


def question_button(label: str, question: str) -> str:
    return f'<button type="button" data-question="{escape(question)}">{escape(label)}</button>'


def shelves(page: Page, groups: Mapping[str, tuple[Product, ...]]) -> str:
    cards = "".join(
        f'<li><a href="#category-{place}">{icon(icon_name(name))}<span>{escape(name)} '
        f"<small>{len(products)}</small></span></a></li>"
        for place, (name, products) in enumerate(groups.items())
    )
    sections = "".join(
        f'<section id="category-{place}"><h2 lang="ru">{escape(name)}</h2>'
        f'<ul class="products" lang="ru">{product_cards(products, page)}</ul></section>'
        for place, (name, products) in enumerate(groups.items())
    )
    return (
        f'<section id="catalogue"><h2>{escape(page.texts.categories)}</h2>'
        f'<ul class="categories" lang="ru">{cards}</ul></section>{sections}'
    )


def product_cards(products: tuple[Product, ...], page: Page) -> str:
    return "".join(product_card(product, page) for product in products)


def product_card(product: Product, page: Page) -> str:
    return (
        f'<li class="product">{picture(product)}<div class="body">'
        f'<h3><a href="{product_url(product, page.texts)}">{escape(product.name)}</a></h3>'
        f"<p>{escape(summary(product.description))}</p>"
        f'<p class="price">{escape(product.price)}{stock(product, page.texts)}</p></div></li>'
    )


def product_page(page: Page, request: web.Request) -> str:
    product = page.catalogue.product(request.match_info["product_id"])
    if product is None:
        raise web.HTTPNotFound(text="no such product\n")
    question = f"{page.texts.ask_about} «{product.name}»"
    return (
        f'<div class="one">{picture(product)}<div><p class="quiet" lang="ru">{escape(product.category)}</p>'
        f'<h1 lang="ru">{escape(product.name)}</h1><p lang="ru">{escape(product.description)}</p>'
        f'<p class="cost">{escape(product.price)} {stock(product, page.texts)}</p>'
        f'<div class="chips">{question_button(page.texts.open_chat, question)}</div></div></div>'
    )


def help_page(page: Page, _request: web.Request) -> str:
    title, language = escape(page.texts.help), page.texts.language
    translated = page.catalogue.translated_help_texts.get(language, ())
    items = "".join(help_item(item) for item in translated or page.catalogue.help_texts)
    spoken = language if translated else "ru"
    return f'<section class="answers"><h1>{title}</h1><div lang="{spoken}">{items}</div></section>'


def help_item(item: HelpText) -> str:
    return (
        f'<details id="{escape(item.help_id)}"><summary>{escape(item.title)}</summary>'
        f"<p>{escape(item.text)}</p></details>"
    )


def product_url(product: Product, texts: Texts) -> str:
    return f"/catalog/{quote(product.product_id)}?lang={texts.language}"


def stock(product: Product, texts: Texts) -> str:
    return "" if product.in_stock else f"<small>{escape(texts.out_of_stock)}</small>"


def picture(product: Product) -> str:
    tone = zlib.crc32(product.category.encode()) % TONES
    return f'<div class="picture tone{tone}">{icon(icon_name(product.category))}</div>'


def icon_name(category: str) -> str:
    lowered = category.lower()
    return next((name for word, name in _ICON_WORDS.items() if word in lowered), "leaf")


def icon(name: str) -> str:
    return (
        '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.3" '
        'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">'
        f'<path d="{_ICON_PATHS[name]}"/></svg>'
    )


def summary(description: str) -> str:
    """The beginning, cut between words."""
    if len(description) <= SUMMARY_CHARACTERS:
        return description
    return description[:SUMMARY_CHARACTERS].rsplit(" ", 1)[0].rstrip(",.;:— ") + "…"
