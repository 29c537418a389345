#!/usr/bin/env python3
"""Makes records and text for training a real model to answer questions on documents.

usage: scripts/real/rag_records.py RAG TOKENIZER OUT [--context 1408] [--suffix 64] [--seed 3]
                                   [--books FOLDER] [--book-megabytes 17] [--rounds 4]

RAG is a folder with train/ and dev/ files of questions with documents (JSON lines of {question,
answers, documents|ctxs: [{title, text}]}), train/squad/*.json (SQuAD 1.1) and train/passages/*.json
(more passages, for distractors). TOKENIZER is the tokenizer.json of the model (RUN/tokenizer.json);
needs the Python package tokenizers. Dev files are only read for dev records. Writes into OUT:

  train_single.jsonl   a question a context of --context tokens, filled with distractors
  train_multi.jsonl    contexts of several gold documents, all of whose questions are asked;
                       --rounds groupings of the same questions
  dev.jsonl            one question each, shuffled; dev_NAME.jsonl: the same by source
  cpt_books.jsonl      books (the first --book-megabytes of --books) and passages, as text
  cpt_documents.jsonl  the contexts of train_multi with questions and answers, as text

Records: data/records/record.h. Same input and seed: same files.
"""
import argparse
import glob
import json
import random
from pathlib import Path

from tokenizers import Tokenizer

SYSTEM = "Answer the question using the documents.\n\n"
LONGEST_DISTRACTOR = 260  # tokens


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def documents(record):
    return [(d["title"], d["text"]) for d in record.get("documents") or record["ctxs"]]


def read_passages(folder):
    found = []
    for path in sorted(glob.glob(str(folder / "*.json"))):
        content = json.load(open(path, encoding="utf-8"))
        if isinstance(content, dict):
            content = [{"title": k, "text": v} if isinstance(v, str) else v for k, v in content.items()]
        found += [(p["title"], p["text"]) for p in content
                  if isinstance(p, dict) and p.get("title") and p.get("text", "").strip()]
    return found


class Maker:
    def __init__(self, tokenizer, context, suffix, passages, rng):
        self.tokenizer, self.context, self.suffix = tokenizer, context, suffix
        self.passages, self.rng = passages, rng
        self.system = self.count(SYSTEM)
        self.lengths = {}

    def count(self, text):
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def cut(self, text, tokens):
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        return text if len(encoding.ids) <= tokens else text[:encoding.offsets[tokens - 1][1]]

    def length(self, document):  # as rendered, with its number
        if document not in self.lengths:
            self.lengths[document] = self.count(f"Document [10](Title: {document[0]}) {document[1]}\n")
        return self.lengths[document]

    def pack(self, gold, distractors):
        """Gold documents among distractors, about self.context tokens; None: the gold is too long."""
        used = self.system + sum(self.length(d) for d in gold)
        if used > self.context:
            return None
        chosen = list(gold)
        seen = {text for _, text in gold}
        more = iter(lambda: self.rng.choice(self.passages), None)
        for document in [*distractors, *(next(more) for _ in range(60))]:
            document = (document[0], self.cut(document[1], LONGEST_DISTRACTOR))
            if document[1] in seen:
                continue
            if used + self.length(document) > self.context:
                rest = self.context - used - 16 - self.count(document[0])
                if rest < 24:
                    break
                document = (document[0], self.cut(document[1], rest))
            seen.add(document[1])
            chosen.append(document)
            used += self.length(document)
            if used > self.context - 40:
                break
        self.rng.shuffle(chosen)
        return chosen

    def record(self, gold, distractors, questions):
        questions = [(q, a) for q, a in questions
                     if self.count(f"Question: {q}\nAnswer:") + self.count(" " + a) < self.suffix]
        packed = self.pack(gold, distractors) if questions else None
        if packed is None:
            return None
        return {"system": SYSTEM, "documents": [{"title": t, "text": x} for t, x in packed],
                "questions": [{"question": f"Question: {q}\nAnswer:", "answer": a}
                              for q, a in questions]}


def found_answer(record):
    return next((a for a in record["answers"]
                 if any(a in text for _, text in documents(record))), None)


def clean(text):
    return bool(text and text.strip()) and text == text.strip()


def gold_items(rag, passages):
    """(gold documents, question, answer) of the sources with few gold documents."""
    items = [(documents(r)[:1], r["question"], r["answers"][0])
             for r in read(rag / "train/nq_gold_passages.jsonl")]
    for name in ("nq_retrieved", "triviaqa_retrieved", "popqa_retrieved", "popqa_paragraphs"):
        for r in read(rag / f"train/{name}.jsonl"):
            answer = found_answer(r)
            if answer:
                holders = [d for d in documents(r) if answer in d[1]]
                items.append((holders[:1], r["question"], answer))
    return [i for i in items if clean(i[2]) and all(clean(t) for _, t in i[0])]


def squad_articles(rag):
    for path in sorted(glob.glob(str(rag / "train/squad/*.json"))):
        for article in json.load(open(path, encoding="utf-8"))["data"]:
            title = article["title"].replace("_", " ")
            yield [((title, p["context"].strip()),
                    [(q["question"].strip(), q["answers"][0]["text"].strip()) for q in p["qas"]])
                   for p in article["paragraphs"]]


def multi_hop(maker, rag, names, most=None):
    for name in names:
        for r in read(rag / f"train/{name}.jsonl")[:most]:
            gold = set(r.get("gold_titles") or [])
            docs = documents(r)
            kept = [d for d in docs if d[0] in gold] or docs
            others = [d for d in docs if d not in kept]
            yield maker.record(kept, others, [(r["question"], r["answers"][0])])


def single(maker, rag):
    rng, records = maker.rng, list(multi_hop(maker, rag, ["2wikimqa_10docs", "hotpotqa_10docs"]))
    items = gold_items(rag, maker.passages)
    for gold, question, answer in items:
        others = rng.sample(maker.passages, 4) + [rng.choice(items)[0][0] for _ in range(10)]
        rng.shuffle(others)
        records.append(maker.record(gold, others, [(question, answer)]))
    for article in squad_articles(rag):
        for paragraph, questions in article:
            others = [p for p, _ in article if p != paragraph]
            others = rng.sample(others, min(5, len(others))) + rng.sample(maker.passages, 8)
            records.append(maker.record([paragraph], others, [rng.choice(questions)]))
    return records


def multi(maker, rag, rounds):
    rng, records = maker.rng, []
    items = gold_items(rag, maker.passages)
    for _ in range(rounds):
        records += multi_hop(maker, rag, ["2wikimqa_10docs", "hotpotqa_10docs", "musique_20docs"])
        rng.shuffle(items)
        for first in range(0, len(items) - 3, 4):  # four gold documents, each the others' distractor
            group = items[first:first + 4]
            gold = list(dict.fromkeys(d for g, _, _ in group for d in g))
            records.append(maker.record(gold, rng.sample(maker.passages, 12),
                                        [(q, a) for _, q, a in group]))
        for article in squad_articles(rag):
            order = list(article)
            rng.shuffle(order)
            for first in range(0, len(order) - 3, 4):
                group = order[first:first + 4]
                questions = [rng.choice(qs) for _, qs in group] + [rng.choice(group[0][1])]
                rng.shuffle(questions)
                records.append(maker.record([p for p, _ in group], rng.sample(maker.passages, 8),
                                            list(dict.fromkeys(questions))))
    return records


def dev(maker, rag):
    by_source = {"nq": [maker.record(documents(r)[:1], documents(r)[1:],
                                     [(r["question"], r["answers"][0])])
                        for r in read(rag / "dev/nq_10docs_gold_at_0.jsonl")]}
    for name in ("hotpotqa_10docs", "2wikimqa_10docs"):
        by_source[name.split("_")[0]] = [
            maker.record(documents(r), [], [(r["question"], r["answers"][0])])
            for r in read(rag / f"dev/{name}.jsonl")]
    by_source["triviaqa"] = [
        maker.record(documents(r), [], [(r["question"], found_answer(r))])
        for r in read(rag / "dev/triviaqa_retrieved.jsonl") if found_answer(r)]
    return {name: [r for r in records if r] for name, records in by_source.items()}


def as_text(record):
    text = record["system"]
    for number, d in enumerate(record["documents"], 1):
        text += f"Document [{number}](Title: {d['title']}) {d['text']}\n"
    for q in record["questions"]:
        text += f"{q['question']} {q['answer']}\n"
    return text


def write(path, records):
    with open(path, "w", encoding="utf-8") as out:
        for record in records:
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
    print(f"{path}: {len(records)} lines")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rag", type=Path)
    parser.add_argument("tokenizer")
    parser.add_argument("out", type=Path)
    parser.add_argument("--context", type=int, default=1408)
    parser.add_argument("--suffix", type=int, default=64)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--books", type=Path)
    parser.add_argument("--book-megabytes", type=float, default=17)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    passages = read_passages(arguments.rag / "train/passages")
    rng.shuffle(passages)
    maker = Maker(Tokenizer.from_file(arguments.tokenizer), arguments.context, arguments.suffix,
                  passages, rng)
    arguments.out.mkdir(parents=True, exist_ok=True)

    records = [r for r in single(maker, arguments.rag) if r]
    rng.shuffle(records)
    write(arguments.out / "train_single.jsonl", records)
    records = [r for r in multi(maker, arguments.rag, arguments.rounds) if r]
    rng.shuffle(records)
    write(arguments.out / "train_multi.jsonl", records)
    write(arguments.out / "cpt_documents.jsonl", [{"text": as_text(r)} for r in records])
    sources = dev(maker, arguments.rag)
    for name, records in sources.items():
        write(arguments.out / f"dev_{name}.jsonl", records)
    records = [r for part in sources.values() for r in part]
    rng.shuffle(records)
    write(arguments.out / "dev.jsonl", records)
    if arguments.books:
        books, left = [], arguments.book_megabytes * 1e6
        for path in sorted(arguments.books.glob("*.md"))[::5]:
            text = path.read_text(encoding="utf-8")[:700000]
            books.append({"text": text})
            left -= len(text)
            if left < 0:
                break
        books += [{"text": f"{title}\n{text}"} for title, text in passages[:8000]]
        rng.shuffle(books)
        write(arguments.out / "cpt_books.jsonl", books)


if __name__ == "__main__":
    main()
