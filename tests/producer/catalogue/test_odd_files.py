"""Files as vendors and people make them: read without being edited first, and written back byte for byte."""

import codecs
import io
import json
from pathlib import Path

import pytest

from core.errors import UsageError
from producer.catalogue.format import AS_IT_IS, Reading, find_format, read_catalogue, tell_guess
from producer.catalogue.writing import write_catalogue

A, B, C = (f"https://shop.example/{name}.jpg" for name in "abc")
NEW = "https://clean.example/1.jpg"

TABLES = {
    "bigcommerce": (
        "Item Type,Product ID,Product Name,Product Code/SKU,Product Image ID - 1,Product Image URL - 1,"
        f"Product Image URL - 2,Product URL\nProduct,1,Shoe,s-1,7,{A},{B},https://shop.example/shoe/\n"
    ),
    "ebay file exchange": f"*Action(SiteID=US|Country=US),CustomLabel,*Title,PicURL\nAdd,s-1,Shoe,{A}|{B}\n",
    "ebay file exchange with more bars in its header than columns": (
        f"*Action(SiteID=US|Country=US|Currency=USD|Version=745),CustomLabel,PicURL\nAdd,s-1,{A}|{B}\n"
    ),
    "ebay with lines of its own": (
        "#INFO,Version=0.0.2,Template= eBay-draft-listings-template_US,,\n#INFO,,,,\n"
        f"Action(SiteID=US),Custom label (SKU),Title,Price,Item photo URL\nDraft,s-1,Shoe,9.99,{A} | {B}\n"
    ),
    "etsy": f"TITLE,DESCRIPTION,PRICE,SKU,IMAGE1,IMAGE2,IMAGE3\nShoe,Nice,9.99,s-1,{A},{B},\n",
    "amazon": (
        "TemplateType=fptcustom\tVersion=2022.1\tThe top 3 rows are for Amazon only.\n"
        "Product Type\tSeller SKU\tMain Image URL\tOther Image URL1\n"
        f"feed_product_type\titem_sku\tmain_image_url\tother_image_url1\nshoes\ts-1\t{A}\t{B}\n"
    ),
    "amazon whose header is in another row": (
        "settings=attributeRow=4&contentLanguageTag=en_US\tx\ty\n\tGroup\t\nSKU\tMain Image URL\tOther\n"
        "item_sku\tmain_product_image_locator[marketplace_id=1]#1.media_location\tother_product_image_locator_1\n"
        f"s-1\t{A}\t{B}\n"
    ),
    "prestashop": f"Product ID;Active (0/1);Name *;Reference #;SKU;Image URLs (x,y,z...)\n1;1;Shoe;r;s-1;{A},{B}\n",
    "woocommerce in german": f'ID,Typ,Artikelnummer,Name,Bilder\n1,simple,s-1,Schuh,"{A}, {B}"\n',
    "woocommerce in french": f'ID,Type,UGS,Nom,Images du produit\n1,simple,s-1,Chaussure,"{A}, {B}"\n',
    "woocommerce in japanese": f'ID,タイプ,SKU,名前,画像\n1,simple,s-1,靴,"{A}, {B}"\n',
    "any table with photo_url": f"sku,photo_url\ns-1,{A}\ns-1,{B}\n",
    "no name tells": f"sku,c1,c2\ns-1,{A},{B}\n",
    "excel's own line": f"sep=;\nsku;image_url\ns-1;{A}\ns-1;{B}\n",
    "excel's own line, quoted": f'"sep=;"\r\nsku;image_url\r\ns-1;{A}\r\ns-1;{B}\r\n',
    "excel's own line and a tab": f"SEP=\t\nsku\tFoto\ns-1\t{A}\ns-1\t{B}\n",
    "links beside photos": f"sku,link,picture,more\ns-1,https://shop.example/p/1,{A},{B}\n",
    "photos that say so by name only": "sku,page,Photo\ns-1,https://shop.example/p/1,https://cdn.example/i?id=1\n",
    "some cells are empty or say n/a": f"sku,Bild\ns-1,{A}\nx,\ns-1,{B}\ny,n/a\nz,{C}\n",
    "a title above": f"Products of 2026\n\nsku,image_url\ns-1,{A}\ns-1,{B}\n",
    "protocol-relative": "sku,Bild\ns-1,//shop.example/a.jpg\ns-1,//shop.example/b.jpg\n",
}
FEWER = {"photos that say so by name only": 1, "some cells are empty or say n/a": 4}


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "catalogue.csv"
    path.write_bytes(text.encode(encoding))
    return path


def rewritten(path: Path, new: dict[str, str]) -> bytes:
    out = io.BytesIO()
    write_catalogue(
        path,
        out,
        lambda urls: {url: new[url] for url in urls if url in new},
        AS_IT_IS,
        new_of_items=lambda items: [new.get(item.uri) for item in items],
    )
    return out.getvalue()


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_read_as_it_came(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, TABLES[kind])
    items = list(read_catalogue(path))
    assert len(items) == FEWER.get(kind, 2)
    assert items[0].sku == "s-1"
    if kind not in FEWER and kind != "protocol-relative":
        assert [item.uri for item in items] == [A, B]


@pytest.mark.parametrize("kind", TABLES)
def test_and_written_back_with_its_photo_changed_and_nothing_else(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, TABLES[kind])
    assert rewritten(path, {}) == path.read_bytes()
    assert rewritten(path, {A: NEW}) == path.read_bytes().replace(A.encode(), NEW.encode())


def test_where_photos_were_found_is_told(tmp_path: Path) -> None:
    assert (
        tell_guess(write(tmp_path, TABLES["etsy"])) == "Photos found in 'IMAGE1', 'IMAGE2'; --image-col names others."
    )
    assert tell_guess(write(tmp_path, f"sku,image_url\ns,{A}\n")) == ""
    assert tell_guess(write(tmp_path, f"{A}\n")) == ""


def test_what_stands_beside_the_products_photos_is_left_out_and_told(tmp_path: Path) -> None:
    header = "sku,Bilder,Miniatur,Hersteller_Logo,media_video,Extra"
    rows = "".join(
        f"{number},https://s.example/{number}.jpg,https://s.example/t{number}.jpg,https://s.example/acme.png,"
        f"https://video.example/{number},https://s.example/{number % 2}.jpg\n"
        for number in range(10)
    )
    path = write(tmp_path, f"{header}\n{rows}")
    assert len(list(read_catalogue(path))) == 10
    assert tell_guess(path) == (
        "Photos found in 'Bilder', not taken from 'Miniatur', 'Hersteller_Logo', 'media_video', 'Extra'; "
        "--image-col names others."
    )


@pytest.mark.parametrize("first", ["art,datei,ordner\n1,a.jpg,images\n2,b.jpg,x", "role,datei\nimage1,a.jpg\nx,b.jpg"])
def test_no_row_of_photos_is_taken_for_the_header(tmp_path: Path, first: str) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jpg").write_bytes(b"x")
    path = write(tmp_path, f"{first}\n")
    assert [item.name for item in read_catalogue(path)] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("worst", ["ab," * 2_000_000, "x" * 6_000_000, '"' + "x\n" * 3_000_000])
def test_a_record_is_bounded(tmp_path: Path, worst: str) -> None:
    path = write(tmp_path, f"sku,image_url\n1,{A}\n{worst}")
    with pytest.raises(UsageError, match=r"a record is longer|Is a quote never closed"):
        list(read_catalogue(path))


def test_no_password_stands_in_what_is_said_of_a_line(tmp_path: Path) -> None:
    path = write(tmp_path, "https://user:S3CRET@ex ample.com/a.jpg\n")
    assert "S3CRET" not in next(iter(read_catalogue(path))).fault


def test_what_the_user_names_wins(tmp_path: Path) -> None:
    path = write(tmp_path, TABLES["etsy"])
    assert [item.uri for item in read_catalogue(path, Reading(image_columns=("image2",)))] == [B]


def test_files_of_the_folder(tmp_path: Path) -> None:
    for name in ("a b#1.jpg", "ü.png", "sub/c.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    path = write(tmp_path, "sku,file\n1,a b#1.jpg\n2,ü.png; sub/c.webp\n3,../../etc/passwd.jpg\n")
    uris = [item.uri for item in read_catalogue(path)]
    assert uris[:3] == [(tmp_path / name).as_uri() for name in ("a b#1.jpg", "ü.png", "sub/c.webp")]
    with pytest.raises(UsageError, match="no column of"):
        list(read_catalogue(path, Reading()))


def test_a_table_without_photos_says_which_columns_it_has(tmp_path: Path) -> None:
    path = write(tmp_path, "sku,link\n1,https://shop.example/p/1\n")
    with pytest.raises(UsageError, match=r"no column of .*'sku', 'link'.*--image-col"):
        list(read_catalogue(path))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-32"])
@pytest.mark.parametrize("text", [f"sku,image_url\ngrün,{A}\n", f"{A}\n{B}\n", f'[\n "{A}"\n]\n'])
def test_encodings_with_and_without_a_mark(tmp_path: Path, encoding: str, text: str) -> None:
    path = write(tmp_path, text, encoding)
    assert next(iter(read_catalogue(path))).uri == A
    assert rewritten(path, {A: NEW}) == path.read_bytes().replace(
        A.encode(encoding).removeprefix(codecs.BOM_UTF32_LE), NEW.encode(encoding).removeprefix(codecs.BOM_UTF32_LE)
    )


ARRAYS = {
    "of urls": f'["{A}", "{B}"]',
    "of objects": f'[\n  {{"image_url": "{A}", "sku": 1}},\n  {{"sku": 2, "image_url" : "{B}"}}\n]\n',
    "of both": f'\ufeff [ "{A}" ,{{"image_url":"{B}"}} ]',
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_a_json_array(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, ARRAYS[kind])
    assert find_format(path) == "json"
    assert [item.uri for item in read_catalogue(path)] == [A, B]
    assert rewritten(path, {B: NEW}) == path.read_bytes().replace(B.encode(), NEW.encode())
    assert rewritten(path, {}) == path.read_bytes()


def test_a_long_json_array_is_read_in_pieces(tmp_path: Path) -> None:
    urls = [f"https://shop.example/{number}.jpg" for number in range(20_000)]
    path = write(tmp_path, json.dumps(urls, indent=1))
    assert [item.uri for item in read_catalogue(path)] == urls
    assert rewritten(path, {urls[9_999]: NEW}) == path.read_bytes().replace(urls[9_999].encode(), NEW.encode())


def test_an_element_that_cannot_be_used_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, f'["{A}", 5, null, "hello", {{"sku": 1}}, "{B}"]')
    items = list(read_catalogue(path))
    assert [item.uri for item in items if not item.fault] == [A, B]
    assert [item.name for item in items if item.fault] == ["line 2", "line 3", "line 4", "line 5"]
    assert rewritten(path, {A: NEW}) == path.read_bytes().replace(A.encode(), NEW.encode())


@pytest.mark.parametrize("text", ["[", f'["{A}"', f'["{A}" "x', "[{]", f'["{A}", tru]', f'["{A}"] x', "[" * 100_000])
def test_what_is_no_array_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="JSON array"):
        list(read_catalogue(write(tmp_path, text)))


def test_a_table_without_a_header_loses_no_row(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(f"s-1,{A}\ns-2,{B}\ns-3,{C}\n", encoding="utf-8")
    assert [item.uri for item in read_catalogue(path)] == [A, B, C]
    assert tell_guess(path) == "Photos found in 'column 2'; --image-col names others."
    out = io.BytesIO()
    write_catalogue(path, out, lambda _: {A: NEW}, AS_IT_IS, new_of_items=lambda items: [None] * len(items))
    assert out.getvalue().decode() == path.read_text(encoding="utf-8").replace(A, NEW)
