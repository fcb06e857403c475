#!/usr/bin/env python3
"""Writes labelled texts for the finders of personal data: tests/guard/labelled/drawn.txt.

    tests/guard/make_labelled.py [SEED [TEXTS_PER_TYPE]]      to standard output

Each line is one text; what is to be found stands as {{type|value}}, "\\n" is a line break, "{+}" nothing (so that no other
scanner takes a made-up key for one). Numbers are drawn by chance and get check digits by the rules of their issuers, which
are written down here once more, apart from the finders. Beside each there are texts with numbers whose check digits are
wrong, which are to be left alone. Another seed makes another set.
"""
import base64
import hashlib
import random
import string
import sys

rng = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
PER_TYPE = int(sys.argv[2]) if len(sys.argv) > 2 else 40


def digits(count, first='0123456789'):
    return rng.choice(first) + ''.join(rng.choice(string.digits) for _ in range(count - 1))


def drawn(alphabet, count):
    return ''.join(rng.choice(alphabet) for _ in range(count))


ALNUM = string.ascii_letters + string.digits
HEX = '0123456789abcdef'


def luhn_digit(number):
    total = sum(int(d) if i % 2 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(reversed(number)))
    return str(-total % 10)


def card():
    prefix, length = rng.choice([('4', 16), ('51', 16), ('55', 16), ('2221', 16), ('2720', 16), ('34', 15), ('37', 15),
                                 ('6011', 16), ('65', 16), ('3530', 16), ('62', 16), ('36', 14)])
    number = prefix + digits(length - len(prefix) - 1)
    number += luhn_digit(number)
    if length == 15:
        return rng.choice([number, number[:4] + ' ' + number[4:10] + ' ' + number[10:]])
    if length == 14:
        return number[:4] + ' ' + number[4:10] + ' ' + number[10:]
    gap = rng.choice(['', ' ', '-', ' '])
    return gap.join(number[i:i + 4] for i in range(0, 16, 4))


BBANS = {'DE': 'n18', 'GB': 'a4n14', 'FR': 'n10c11n2', 'NL': 'a4n10', 'ES': 'n20', 'IT': 'a1n10c12', 'PL': 'n24', 'PT': 'n21',
         'CH': 'n5c12', 'AT': 'n16', 'BE': 'n12', 'SE': 'n20', 'NO': 'n11', 'DK': 'n14', 'BR': 'n23a1c1', 'AE': 'n19',
         'TR': 'n5n1c16', 'IE': 'a4n14', 'FI': 'n14', 'CZ': 'n20'}


def bban(pattern):
    out, i = '', 0
    while i < len(pattern):
        j = i + 1
        while j < len(pattern) and pattern[j].isdigit():
            j += 1
        alphabet = {'n': string.digits, 'a': string.ascii_uppercase, 'c': string.digits + string.ascii_uppercase}[pattern[i]]
        out += drawn(alphabet, int(pattern[i + 1:j]))
        i = j
    return out


def iban():
    country = rng.choice(sorted(BBANS))
    body = bban(BBANS[country])
    value = int(''.join(str(int(c, 36)) for c in body + country + '00'))
    number = country + '%02d' % (98 - value % 97) + body
    return rng.choice([number, ' '.join(number[i:i + 4] for i in range(0, len(number), 4))])


def email():
    name = rng.choice(['anna', 'j.doe', 'max_mustermann', 'li.wei', 'maria+news', 'o.neil', 'x7', 'first-last', 'r2d2.c3po', 'Info'])
    host = rng.choice(['example.com', 'mail.example.org', 'uni-koeln.de', 'firma.co.uk', 'sub.dom.example.io', 'empresa.com.br',
                       'b\u00fcro'.encode('idna').decode() + '.de', 'corp.museum'])
    return name + rng.choice(['', str(rng.randint(1, 99))]) + '@' + host


def phone():
    d = digits
    n = '23456789'
    return rng.choice([
        lambda: f'+49 {d(3, "1")} {d(8)}', lambda: f'+44 20 {d(4, n)} {d(4)}', lambda: f'+1 {d(3, n)} {d(3, n)} {d(4)}',
        lambda: f'+1-{d(3, n)}-{d(3, n)}-{d(4)}', lambda: f'+1 ({d(3, n)}) {d(3, n)}-{d(4)}', lambda: f'+33 6 {d(2)} {d(2)} {d(2)} {d(2)}',
        lambda: f'+34 6{d(2)} {d(3)} {d(3)}', lambda: f'+39 3{d(2)} {d(7)}', lambda: f'+31 6 {d(8)}', lambda: f'+48 {d(3, "5678")} {d(3)} {d(3)}',
        lambda: f'+55 11 9{d(4)}-{d(4)}', lambda: f'+91 {d(5, "6789")} {d(5)}', lambda: f'+61 4{d(2)} {d(3)} {d(3)}', lambda: f'+81 90-{d(4)}-{d(4)}',
        lambda: f'+86 13{d(9)}', lambda: f'+351 9{d(2)} {d(3)} {d(3)}', lambda: f'+41 79 {d(3)} {d(2)} {d(2)}', lambda: f'+46 70 {d(3)} {d(2)} {d(2)}',
        lambda: f'+44 (0)20 {d(4, n)} {d(4)}', lambda: f'+49{d(3, "1")}{d(7)}', lambda: f'+972 5{d(1)}-{d(3)}-{d(4)}', lambda: f'+52 55 {d(4)} {d(4)}',
        lambda: f'({d(3, n)}) {d(3, n)}-{d(4)}', lambda: f'{d(3, n)}-{d(3, n)}-{d(4)}', lambda: f'{d(3, n)}.{d(3, n)}.{d(4)}',
        lambda: f'07{d(3)} {d(6)}', lambda: f'020 {d(4, "378")} {d(4)}', lambda: f'06 {d(2)} {d(2)} {d(2)} {d(2)}', lambda: f'06-{d(8)}',
        lambda: f'079 {d(3)} {d(2)} {d(2)}', lambda: f'({d(2, "12345")}) 9{d(4)}-{d(4)}', lambda: f'04{d(2)} {d(3)} {d(3)}', lambda: f'090-{d(4)}-{d(4)}',
        lambda: f'010-{d(4)}-{d(4)}', lambda: f'8 (495) {d(3)}-{d(2)}-{d(2)}', lambda: f'0532 {d(3)} {d(2)} {d(2)}'])()


PHONE_WITH_WORD = {
    'Mein Telefon ist {} ab neun.': lambda: f'030 {digits(8)}', 'Ruf mich an, Handy: {}.': lambda: f'0170 {digits(7)}',
    'Mi teléfono es {}, gracias.': lambda: f'6{digits(2)} {digits(3)} {digits(3)}', 'Il mio cellulare: {}': lambda: f'3{digits(2)} {digits(7)}',
    'Telemóvel {} (Lisboa)': lambda: f'91{digits(1)} {digits(3)} {digits(3)}', 'telefon: {} po 17': lambda: f'{digits(3, "56")} {digits(3)} {digits(3)}',
    'my mobile number is {} thanks': lambda: f'{digits(10, "6789")}', '我的手机是{}。': lambda: f'13{digits(9)}',
    'call me on {} tonight': lambda: f'{digits(3, "23456789")} {digits(3, "23456789")} {digits(4)}',
    'Appelez le {} svp': lambda: f'06{digits(8)}', 'Telefonnr. {} (Büro)': lambda: f'089/{digits(8, "123")}',
    'phone {} ext 12': lambda: f'{digits(10, "23456789")}'}


def verhoeff_digit(number):
    d = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
         [3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
         [6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
         [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]
    p = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 5, 7, 6, 2, 8, 3, 0, 9, 4], [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
         [8, 9, 1, 6, 0, 4, 3, 5, 2, 7], [9, 4, 5, 3, 1, 2, 6, 8, 7, 0], [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
         [2, 7, 9, 3, 8, 0, 6, 4, 1, 5], [7, 0, 4, 6, 9, 1, 3, 2, 5, 8]]
    inverse = '0432156789'
    c = 0
    for i, n in enumerate(reversed(number)):
        c = d[c][p[(i + 1) % 8][int(n)]]
    return inverse[c]


def weighted(number, weights):
    return sum(int(n) * w for n, w in zip(number, weights))


def until(make):
    while True:
        value = make()
        if value is not None:
            return value


def de_tax_id():
    ten = list(rng.sample(string.digits, 9))
    ten.insert(rng.randint(0, 9), rng.choice(ten))
    number = ''.join(ten)
    if number[0] == '0':
        return None
    product = 10
    for n in number:
        total = (int(n) + product) % 10 or 10
        product = total * 2 % 11
    return number + str((11 - product) % 10)


def pesel():
    number = '%02d%02d%02d' % (rng.randint(0, 99), rng.choice([0, 20]) + rng.randint(1, 12), rng.randint(1, 28)) + digits(4)
    return number + str(-weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def mod_11(weights, length, first='123456789'):
    def make():
        number = digits(length - 1, first)
        for last in string.digits:
            if weighted(number + last, weights) % 11 == 0:
                return number + last
        return None
    return until(make)


def nif():
    number = digits(8, '123568')
    check = 11 - weighted(number, range(9, 1, -1)) % 11
    return number + str(0 if check > 9 else check)


def dni():
    letters = 'TRWAGMYFPDXBNJZSQVHLCKE'
    kind = rng.randint(0, 3)
    if kind == 0:
        x, n = rng.randint(0, 2), digits(7)
        return 'XYZ'[x] + n + letters[int(str(x) + n) % 23]
    n = digits(8)
    letter = letters[int(n) % 23]
    return [None, n + letter, n + '-' + letter, n[:2] + '.' + n[2:5] + '.' + n[5:] + '-' + letter][kind]


def cpf_digits(nine):
    for _ in range(2):
        check = weighted(nine, range(len(nine) + 1, 1, -1)) * 10 % 11 % 10
        nine += str(check)
    return nine


def cpf():
    n = cpf_digits(digits(9))
    return f'{n[:3]}.{n[3:6]}.{n[6:9]}-{n[9:]}'


def cnpj():
    n = digits(8) + '0001'
    for weights in ((5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2), (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)):
        n += str(weighted(n, weights) * 10 % 11 % 10)
    return f'{n[:2]}.{n[2:5]}.{n[5:8]}/{n[8:12]}-{n[12:]}'


def nir():
    n = rng.choice('12') + '%02d%02d' % (rng.randint(0, 99), rng.randint(1, 12)) + '%02d' % rng.randint(1, 95) + digits(6)
    n += '%02d' % (97 - int(n) % 97)
    return rng.choice([n, f'{n[0]} {n[1:3]} {n[3:5]} {n[5:7]} {n[7:10]} {n[10:13]} {n[13:]}'])


def fiscal_code():
    values = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
    code = drawn('BCDFGLMNPRSTVZ', 6) + '%02d' % rng.randint(0, 99) + rng.choice('ABCDEHLMPRST') + \
        '%02d' % (rng.randint(1, 28) + rng.choice([0, 40])) + rng.choice('ABCDEFGHIL') + digits(3)
    total = 0
    for i, c in enumerate(code):
        index = int(c) if c.isdigit() else ord(c) - 65
        total += values[index] if i % 2 == 0 else index
    return code + chr(65 + total % 26)


def aadhaar():
    n = digits(11, '23456789')
    n += verhoeff_digit(n)
    return rng.choice([f'{n[:4]} {n[4:8]} {n[8:]}', f'{n[:4]}-{n[4:8]}-{n[8:]}'])


def medicare():
    n = digits(8, '23456')
    n += str(weighted(n, (1, 3, 7, 9, 1, 3, 7, 9)) % 10) + digits(1)
    return f'{n[:4]} {n[4:9]} {n[9:]}'


def nhs():
    n = mod_11(range(10, 0, -1), 10, '49')
    return rng.choice([n, f'{n[:3]} {n[3:6]} {n[6:]}'])


def nino():
    pair = rng.choice(['AB', 'CE', 'JK', 'SP', 'WL', 'YR', 'HM'])
    n = digits(6)
    return rng.choice([f'{pair}{n}{rng.choice("ABCD")}', f'{pair} {n[:2]} {n[2:4]} {n[4:]} {rng.choice("ABCD")}'])


def ssn():
    area = rng.choice([a for a in (rng.randint(1, 899) for _ in range(9)) if a != 666])
    return f'{area:03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}'


def itin():
    return f'9{digits(2)}-{rng.choice([50, 65, 70, 88, 90, 92, 94, 99])}-{digits(4)}'


def routing():
    def make():
        n = '%02d' % rng.choice(list(range(1, 13)) + list(range(21, 33))) + digits(6)
        return n + str(-weighted(n, (3, 7, 1, 3, 7, 1, 3, 7)) % 10)
    return make()


def ipv4():
    return '.'.join(str(x) for x in (rng.choice([10, 84, 172, 192, 203]), rng.randint(0, 255), rng.randint(0, 255), rng.randint(1, 254)))


def ip():
    return rng.choice([ipv4, ipv4, lambda: f'2001:db8:{drawn(HEX, 4)}::{drawn(HEX, 3)}', lambda: ':'.join(drawn(HEX, 4) for _ in range(8)),
                       lambda: f'fe80::{drawn(HEX, 4)}:{drawn("123456789", 1)}{drawn(HEX, 3)}:fe12:{drawn(HEX, 4)}'])()


def mac():
    pairs = [drawn('0123456789', 1) + drawn(HEX, 1) for _ in range(6)]
    return rng.choice([':'.join(pairs), '-'.join(pairs).upper(), '.'.join(a + b for a, b in zip(pairs[::2], pairs[1::2]))])


def url_credentials():
    scheme = rng.choice(['postgres', 'https', 'redis', 'mongodb+srv', 'amqp', 'ftp'])
    host = rng.choice(['db.example.com', '10.1.2.3:5432', 'cache-1.internal:6379'])
    return f'{scheme}://{rng.choice(["admin", "svc-app", "u1"])}:{drawn(ALNUM, 12)}@{host}'


B58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'


def bitcoin():
    raw = rng.choice([b'\x00', b'\x05']) + bytes(rng.randrange(256) for _ in range(20))
    raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    value, out = int.from_bytes(raw, 'big'), ''
    while value:
        value, rest = divmod(value, 58)
        out = B58[rest] + out
    return '1' * (len(raw) - len(raw.lstrip(b'\0'))) + out


B32 = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'


def bech32():
    version = rng.choice([0, 1])
    data = [version] + [rng.randrange(32) for _ in range(32 if version == 0 else 51)] + ([] if version == 0 else [16])

    def polymod(values):
        check = 1
        for v in values:
            top = check >> 25
            check = (check & 0x1ffffff) << 5 ^ v
            for i, g in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
                check ^= g if top >> i & 1 else 0
        return check
    rest = polymod([3, 3, 0, 2, 3] + data + [0] * 6) ^ (1 if version == 0 else 0x2bc830a3)
    return 'bc1' + ''.join(B32[v] for v in data + [rest >> 5 * (5 - i) & 31 for i in range(6)])


def wallet():
    return rng.choice([bitcoin, bech32, lambda: '0x' + drawn(HEX, 40)])()


def b64url(count):
    return base64.urlsafe_b64encode(bytes(rng.randrange(256) for _ in range(count))).decode().rstrip('=')


def jwt():
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip('=')
    body = base64.urlsafe_b64encode(('{"sub":"%s","iat":%s}' % (digits(10), digits(10))).encode()).decode().rstrip('=')
    return f'{head[:2]}{{+}}{head[2:]}.{body}.{b64url(32)}'


def split(text):
    return text[:3] + '{+}' + text[3:]


def private_key():
    kind = rng.choice(['', 'RSA ', 'EC ', 'OPENSSH '])
    body = base64.b64encode(bytes(rng.randrange(256) for _ in range(rng.choice([120, 300])))).decode()
    lines = '\\n'.join(body[i:i + 64] for i in range(0, len(body), 64))
    return f'-----BEGIN {kind}PRIV{{+}}ATE KEY-----\\n{lines}\\n-----END {kind}PRIVATE KEY-----'


def drawn_key(alphabet, count):
    while True:
        text = drawn(alphabet, count)
        if sum(c.isdigit() for c in text) > 2 and sum(c.islower() for c in text) > 2:
            return text


KEYS = {
    'aws_key': [lambda: 'AK{+}IA' + drawn('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 13) + '7Q4'],
    'gcp_key': [lambda: split('AIza' + drawn_key(ALNUM + '-_', 34) + 'x')],
    'github_token': [lambda: split(rng.choice(['ghp_', 'gho_', 'ghs_']) + drawn_key(ALNUM, 36)),
                     lambda: split('github_pat_' + drawn_key(ALNUM, 22) + '_' + drawn_key(ALNUM, 59))],
    'slack_token': [lambda: split('xoxb-' + digits(12) + '-' + digits(12) + '-' + drawn_key(ALNUM, 24))],
    'stripe_key': [lambda: split(rng.choice(['sk_live_', 'rk_test_']) + drawn_key(ALNUM, 24))],
    'api_key': [lambda: split('sk-ant-api03-' + drawn_key(ALNUM + '-_', 93) + 'AA'), lambda: split('sk-proj-' + drawn_key(ALNUM, 48)),
                lambda: split('sk-' + drawn_key(ALNUM, 48)), lambda: split('hf_' + drawn_key(ALNUM, 34)), lambda: split('gsk_' + drawn_key(ALNUM, 52)),
                lambda: split('glpat-' + drawn_key(ALNUM, 20)), lambda: split('npm_' + drawn_key(ALNUM, 36))],
    'jwt': [jwt],
    'private_key': [private_key],
}

SENTENCES = {
    'email': ['Please write to {} today.', 'Von: {}', '<{}>', 'mailto:{}', 'cc {}; done', '"email": "{}",', '联系{}，谢谢', '({})'],
    'credit_card': ['My card is {} and it expires soon.', 'Karte {} bitte belasten', 'pay with {}.', '"pan":"{}"', 'card no: {}, cvv 123', '卡号{}。'],
    'iban': ['Bitte an {} überweisen.', 'IBAN: {}', 'send it to {} please', '"iban": "{}"', '({})'],
    'ssn': ['My SSN is {}.', 'social security number {} on file', 'ssn={}', 'He gave {} to the clerk'],
    'itin': ['ITIN {} for the form', 'my taxpayer number: {}.'],
    'bank_routing': ['routing number {} and account', 'ABA {}', 'Routing: {}, checking'],
    'uk_nino': ['NI number {}.', 'National Insurance: {} since May', 'nino {}'],
    'uk_nhs': ['NHS number {}', 'my nhs no. is {}.', 'patient {}, ward 4'],
    'de_tax_id': ['Meine Steuer-ID ist {}.', 'IdNr: {}', 'Steuerliche Identifikationsnummer {} bitte', 'tax id {} (DE)'],
    'fr_nir': ['Mon numéro de sécu est {}.', 'NIR {}', 'sécurité sociale : {} merci'],
    'it_codice_fiscale': ['Codice fiscale {}.', 'il mio CF è {} grazie', '"cf":"{}"'],
    'es_dni': ['Mi DNI es {}.', 'NIE/DNI {} caducado', 'documento {} expedido'],
    'pt_nif': ['O meu NIF é {}.', 'contribuinte n.º {}', 'Número fiscal: {}'],
    'nl_bsn': ['Mijn BSN is {}.', 'burgerservicenummer {} graag'],
    'pl_pesel': ['Mój PESEL to {}.', 'PESEL: {}, Kraków'],
    'br_cpf': ['Meu CPF é {}.', 'CPF: {}', 'documento {} ok'],
    'br_cnpj': ['CNPJ {}', 'a empresa {} emitiu', 'cnpj: {}.'],
    'in_aadhaar': ['My Aadhaar is {}.', 'aadhaar no {}', 'आधार {} है'],
    'au_tfn': ['My TFN is {}.', 'tax file number {} sent'],
    'au_medicare': ['Medicare {}', 'medicare card {} exp 2027'],
    'ip': ['Connection from {} refused', 'host {} is down', 'ip={}', 'ping {} now', '[{}]'],
    'mac': ['device {} joined', 'MAC: {}', 'wlan0 {} up'],
    'url_credentials': ['DATABASE_URL={}/app', 'clone {}/repo.git please', 'use "{}" here'],
    'crypto_wallet': ['Send it to {} today', 'wallet: {}.', 'donations: {}'],
    'phone': ['Call me at {} tomorrow.', 'tel. {}', 'Reach the office under {}, please', '"phone": "{}"', 'Mobile: {}', 'WhatsApp {}!'],
}
KEY_SENTENCES = ['my key is {} ok?', 'export KEY={}', '"key": "{}",', 'curl -H "Authorization: Bearer {}"', 'log: used {} at noon', "api('{}')"]
MAKERS = {
    'email': email, 'credit_card': card, 'iban': iban, 'ssn': ssn, 'itin': itin, 'bank_routing': routing, 'uk_nino': nino, 'uk_nhs': nhs,
    'de_tax_id': lambda: until(de_tax_id), 'fr_nir': nir, 'it_codice_fiscale': fiscal_code, 'es_dni': dni, 'pt_nif': nif,
    'nl_bsn': lambda: mod_11((9, 8, 7, 6, 5, 4, 3, 2, -1), 9), 'pl_pesel': pesel, 'br_cpf': cpf, 'br_cnpj': cnpj, 'in_aadhaar': aadhaar,
    'au_tfn': lambda: mod_11((1, 4, 3, 7, 5, 8, 6, 9, 10), 9), 'au_medicare': medicare, 'ip': ip, 'mac': mac,
    'url_credentials': url_credentials, 'crypto_wallet': wallet, 'phone': phone,
}
# Whose last digit is changed by one is none any more.
CHECKED = {'credit_card', 'iban', 'bank_routing', 'uk_nhs', 'de_tax_id', 'fr_nir', 'nl_bsn', 'pl_pesel', 'br_cpf', 'br_cnpj', 'in_aadhaar',
           'au_tfn', 'pt_nif'}


def spoiled(value):
    at = max(i for i, c in enumerate(value) if c.isdigit())
    return value[:at] + str((int(value[at]) + rng.randint(1, 9)) % 10) + value[at + 1:]


def main():
    print('# Written by tests/guard/make_labelled.py', *sys.argv[1:])
    for kind, maker in MAKERS.items():
        for _ in range(PER_TYPE):
            print(rng.choice(SENTENCES[kind]).replace('{}', '{{%s|%s}}' % (kind, maker())))
        for _ in range(PER_TYPE // 4 if kind in CHECKED else 0):
            print(rng.choice(SENTENCES[kind]).replace('{}', spoiled(maker())))
    for sentence, maker in PHONE_WITH_WORD.items():
        for _ in range(max(1, PER_TYPE // 8)):
            print(sentence.replace('{}', '{{phone|%s}}' % maker()))
    for kind, makers in KEYS.items():
        for _ in range(max(4, PER_TYPE // 2)):
            print(rng.choice(KEY_SENTENCES).replace('{}', '{{%s|%s}}' % (kind, rng.choice(makers)())))


main()
