"""Domains where anybody may have a mailbox: an address there says nothing of a company."""

_KNOWN = """
    126.com 163.com aim.com alice.it aliceadsl.fr aol.com arcor.de att.net bbox.fr bell.net bellsouth.net
    bigpond.com bluewin.ch bol.com.br btinternet.com charter.net comcast.net cox.net duck.com earthlink.net
    email.com email.cz fastmail.com fastmail.fm foxmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com
    gmx.de gmx.net googlemail.com hanmail.net hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr
    hotmail.it hushmail.com icloud.com inbox.lv inbox.ru interia.pl laposte.net libero.it list.ru live.co.uk
    live.com live.de live.fr live.it live.nl mac.com mail.com mail.ru mailbox.org me.com msn.com naver.com neuf.fr
    ntlworld.com o2.pl onet.pl optonline.net orange.fr outlook.com outlook.de outlook.es outlook.fr outlook.it
    pm.me posteo.de proton.me protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com rocketmail.com
    rogers.com sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com sky.com sympatico.ca t-online.de talktalk.net
    telenet.be telus.net terra.com.br tin.it tiscali.it tuta.com tutanota.com tutamail.com uol.com.br verizon.net
    virgilio.it virginmedia.com wanadoo.fr web.de wp.pl xtra.co.nz ya.ru yahoo.ca yahoo.co.in yahoo.co.jp
    yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru
    yeah.net ymail.com zoho.com
"""
FREE_MAIL = frozenset(_KNOWN.split())
