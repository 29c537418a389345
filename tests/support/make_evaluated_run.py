#!/usr/bin/env python3
"""Writes a run folder as a full evaluation leaves it, with invented figures: for the report's tests.

config.yaml, metrics.jsonl, results.json and predictions of ten methods at 8x, 16x and 32x on 21
LongBench tasks, six RAG sets, probes and language modelling. Figures follow from the seed alone, and
are shaped like real ones: scores fall with the ratio, gists alone lose most, gold documents in the
middle are found less often. Text is made of a few invented sentences, some of them hostile (HTML,
script, bidirectional marks), which a page has to show as text.

usage: make_evaluated_run.py DIR [--seed N] [--samples N] [--gain X] [--ratios 8,16,32]
--gain adds to what gsa reaches, so that two runs differ. Needs nothing but Python.
"""
import argparse
import json
import math
import pathlib
import random

LONGBENCH = {
    'narrativeqa': 'f1', 'qasper': 'f1', 'multifieldqa_en': 'f1', 'multifieldqa_zh': 'f1_zh',
    'hotpotqa': 'f1', '2wikimqa': 'f1', 'musique': 'f1', 'dureader': 'rouge_l_zh',
    'gov_report': 'rouge_l', 'qmsum': 'rouge_l', 'multi_news': 'rouge_l', 'vcsum': 'rouge_l_zh',
    'trec': 'accuracy', 'triviaqa': 'f1', 'samsum': 'rouge_l', 'lsht': 'accuracy',
    'passage_count': 'count_accuracy', 'passage_retrieval_en': 'retrieval',
    'passage_retrieval_zh': 'retrieval', 'lcc': 'edit_similarity', 'repobench-p': 'edit_similarity'}
RAG = ['nq_gold', 'nq', 'triviaqa', 'hotpotqa', '2wiki', 'musique']
PROBES = ['passkey', 'needle', 'multikey', 'variable_tracking']
# Method -> what is left of full attention's score at 8x, and how much each doubling costs.
METHODS = {
    'gsa': (0.93, 0.05), 'h_gsa': (0.91, 0.05), 'gist_only': (0.58, 0.13), 'mean_pool': (0.80, 0.1),
    'random': (0.45, 0.1), 'streaming': (0.52, 0.09), 'snapkv': (0.86, 0.09), 'h2o': (0.79, 0.1),
    'quest': (0.92, 0.07)}
UNFOLDING = ['gsa', 'h_gsa', 'mean_pool', 'random']
NAMES = ['Mirela Voss', 'the Tarn Archive', 'Oskar Lindqvist', 'Port Halloway', 'the Brightwell Mill',
         'Captain Iyer', 'the 1893 regatta', 'Lake Senna']
FACTS = ['was founded by {} in the year {}', 'keeps its records under the name of {}, shelf {}',
         'was sold to {} for {} crowns', 'met {} at gate {} of the old station']
HOSTILE = ['<script>document.title="broken"</script>', '"><img src=x onerror=alert(1)>',
           '</pre></details><h1>not a heading</h1>', 'left \u202eright\u202c again',
           'x' * 300, '<!-- --> &amp; &#60;b&#62;', '\u4f60\u597d\uff0c\u4e16\u754c']


def sentence(rng):
    fact = rng.choice(FACTS).format(rng.choice(NAMES), rng.randrange(1000, 2000))
    return f'{rng.choice(NAMES)} {fact}.'


def attended(method, ratio, tokens, rng):
    if method == 'full':
        return tokens
    keys = tokens / ratio * {'quest': 1.9, 'gist_only': 1.05}.get(method, 1.0) + 24
    return keys * rng.uniform(0.97, 1.03)


def level(task, method, ratio, gain):
    """The mean score of a method on a task."""
    own = random.Random('level of ' + task)  # the task's own difficulty
    full = own.uniform(0.15, 0.62) if '.' in task else own.uniform(0.75, 0.99)
    if method == 'full':
        return full
    kept, cost = METHODS[method]
    if method in ('gsa', 'h_gsa'):
        kept += gain
    kept += own.uniform(-0.05, 0.05) - cost * math.log2(ratio / 8)
    return max(0.0, min(1.0, full * kept))


def tags_of(task, index):
    if task in ('needle', 'passkey', 'multikey'):
        contexts = [1024, 2048, 4096, 8192, 16384]
        return {'depth': (index // 5 % 11) / 10, 'context': contexts[index % 5]}
    if task == 'rag.nq_gold':
        return {'gold': index % 10}
    return {}


def lowered(mean, tags, method):
    """Deep contexts and documents in the middle are harder."""
    if 'depth' in tags:
        length = math.log2(tags['context'] / 1024) / 4
        middle = 1 - abs(tags['depth'] - 0.5) * 2
        loss = 0.05 if method == 'full' else 0.45
        if method == 'streaming':
            return 0.97 if tags['depth'] > 0.85 or tags['depth'] < 0.05 else 0.04
        return mean * (1 - loss * length * (0.4 + 0.6 * middle))
    if 'gold' in tags:
        return mean * (1.15 - 0.35 * math.sin(math.pi * tags['gold'] / 9))
    return mean


def sample_of(task, metric, method, ratio, index, mean, rng):
    shared = random.Random(f'{task} {index}')  # the same for all methods
    tags = tags_of(task, index)
    tokens = int(tags.get('context', shared.choice([1500, 2200, 3900, 6100, 9000, 14000])))
    luck = shared.random()  # a hard question is hard for all
    chance = lowered(mean, tags, method)
    good = 0.6 * luck + 0.4 * rng.random() < chance
    graded = metric in ('f1', 'f1_zh', 'rouge_l', 'rouge_l_zh', 'edit_similarity')
    score = (1.0 if good else 0.0)
    if graded:
        score = min(1.0, max(0.0, (0.75 if good else 0.12) + rng.uniform(-0.12, 0.25)))
    answer = shared.choice(NAMES)
    question = f'Who or what is it that {sentence(shared)[:-1]}?'
    if index % 9 == 4:
        question += ' ' + shared.choice(HOSTILE)
    wrong = rng.choice(NAMES)
    prediction = answer if good else wrong + (' ' + rng.choice(HOSTILE) if index % 9 == 4 else '')
    keys = attended(method, ratio, tokens, rng)
    new_tokens = rng.randrange(3, 30)
    row = {
        'pred': prediction, 'answers': [answer] if index % 3 else [answer, answer.upper()],
        'all_classes': None, 'length': tokens, 'id': f'{task}-{index:04d}', 'index': index,
        'metric': metric, 'score': round(score, 4), 'scores': {metric: round(score, 4)},
        'attended': round(keys, 1),
        'seconds': round(0.02 + 1.1e-5 * tokens + new_tokens * (1e-3 + 2e-7 * keys), 5),
        'prompt_tokens': tokens, 'new_tokens': new_tokens, 'question': question, 'tags': tags}
    if metric == 'subspan_em':
        row['scores'] |= {'em': score if rng.random() < 0.8 else 0.0,
                          'f1': round(score * rng.uniform(0.6, 1), 4)}
    if method in UNFOLDING:
        share = 0.9
        row['unfolded'] = []
        for _ in range(rng.randrange(3, 9)):
            row['unfolded'].append({'text': sentence(rng), 'share': round(share, 3)})
            share *= rng.uniform(0.5, 0.95)
    return row


def result(task, method, ratio, metric, scores, keys, seconds, skipped=0):
    n = len(scores)
    mean = sum(scores) / n
    half = 1.96 * math.sqrt(sum((s - mean) ** 2 for s in scores) / n / n)
    row = {'task': task, 'method': method, 'ratio': ratio, 'metric': metric, 'value': mean, 'n': n,
           'low': max(0.0, mean - half), 'high': min(1.0, mean + half), 'attended': keys,
           'samples_per_second': n / seconds}
    return row | ({'skipped': skipped} if skipped else {})


def evaluate(folder, arguments):
    rows = []
    tasks = {f'longbench.{name}': metric for name, metric in LONGBENCH.items()}
    tasks |= {f'rag.{name}': 'subspan_em' for name in RAG}
    tasks |= {name: 'exact_match' for name in PROBES} | {'lambada': 'accuracy'}
    columns = [('full', 1)] + [(m, r) for m in METHODS for r in arguments.ratios]
    for method, ratio in columns:
        place = folder / 'predictions' / f'{method}@{ratio:g}'
        place.mkdir(parents=True, exist_ok=True)
        groups = {}
        for task, metric in tasks.items():
            rng = random.Random(f'{arguments.seed} {method} {ratio} {task}')
            mean = level(task, method, ratio, arguments.gain)
            count = 55 if task == 'needle' else arguments.samples
            made = [sample_of(task, metric, method, ratio, i, mean, rng) for i in range(count)]
            with open(place / f'{task}.jsonl', 'w', encoding='utf-8') as out:
                out.writelines(json.dumps(row, ensure_ascii=False) + '\n' for row in made)
            keys = sum(row['attended'] for row in made) / count
            seconds = sum(row['seconds'] for row in made)
            for name in made[0]['scores']:
                scores = [row['scores'][name] for row in made]
                rows.append(result(task, method, ratio, name, scores, keys, seconds,
                                   skipped=2 if task == 'longbench.qasper' else 0))
            if '.' in task:
                groups.setdefault(task.split('.')[0], []).append(rows[-1 if metric != 'subspan_em' else -3])
        for group, members in groups.items():
            mean = sum(row['value'] for row in members) / len(members)
            keys = sum(row['attended'] for row in members) / len(members)
            half = 0.9 * sum(r['high'] - r['low'] for r in members) / len(members) / 2
            rows.append({'task': group, 'method': method, 'ratio': ratio, 'metric': 'score',
                         'value': mean, 'n': sum(row['n'] for row in members),
                         'low': mean - half / 3, 'high': mean + half / 3, 'attended': keys})
        bits = 0.92 if method == 'full' else 0.92 + (1.05 - METHODS[method][0]) * 0.2 * math.log2(ratio)
        rows.append({'task': 'perplexity', 'method': method, 'ratio': ratio, 'metric': 'bits_per_byte',
                     'value': bits, 'n': 65536, 'low': bits - 0.012, 'high': bits + 0.012,
                     'attended': 2048 / ratio})
        for context in [512, 1024, 2048, 4096, 8192]:
            value = bits + 0.08 - 0.02 * math.log2(context / 512) * (0.3 if method == 'streaming' else 1)
            rows.append({'task': f'perplexity_by_context.{context}', 'method': method, 'ratio': ratio,
                         'metric': 'bits_per_byte', 'value': value, 'n': 8192, 'low': value - 0.02,
                         'high': value + 0.02, 'attended': context / ratio})
    return rows


def training(folder, arguments):
    rng = random.Random(arguments.seed)
    with open(folder / 'metrics.jsonl', 'w', encoding='utf-8') as out:
        for step in range(1, 601):
            loss = 1.9 + 1.6 * math.exp(-step / 90) - 0.3 * arguments.gain + rng.gauss(0, 0.05)
            out.write(json.dumps({
                'step': step, 'loss': loss, 'grad_norm': 0.6 + 2 * math.exp(-step / 40) + rng.random() * 0.2,
                'lr': 3e-4 * min(1, step / 60) * (0.55 + 0.45 * math.cos(math.pi * step / 600)),
                'tokens': step * 16384,
                'time': {'seconds': 0.21, 'tokens_per_second': 78000 + rng.gauss(0, 900)}}) + '\n')
            if step % 60 == 0:
                bits = 0.9 + 0.5 * math.exp(-step / 120)
                out.write(json.dumps({'step': step, 'val': {
                    'full': {'loss': bits * 2, 'bits_per_byte': bits, 'tokens': 9},
                    'gist_only': {'loss': bits * 2.1, 'bits_per_byte': bits * 1.05 + 0.02, 'tokens': 9}}}) + '\n')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('folder', type=pathlib.Path)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--samples', type=int, default=60)
    parser.add_argument('--gain', type=float, default=0.0)
    parser.add_argument('--ratios', type=lambda text: [float(r) for r in text.split(',')],
                        default=[8.0, 16.0, 32.0])
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    config = ('model:\n  architecture: llama\n  layers: 30\n  width: 576\n'
              'gist:\n  chunks: [8]\n  sinks: 4\n  previous_chunks: 1\n'
              f'train:\n  objective: sft\n  steps: 600\nrun:\n  seed: {arguments.seed}\n')
    (folder / 'config.yaml').write_text(config, encoding='utf-8')
    training(folder, arguments)
    results = {'rows': evaluate(folder, arguments),
               'versions': {'unfold': '0.1.0', 'compiler': 'g++ 12.2.0'}, 'config': config,
               'step': 600, 'parameters': 134515584}
    (folder / 'results.json').write_text(json.dumps(results, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
